"""The sending loop: claim, compose, talk, record, for as long as a worker may stay with it.

One thread owns the database and does nothing else that waits; conversations with providers run in threads of their
own. What they ask and answer is gathered and written in bulk: while one commit runs, the next one's work arrives.
At most `settings.SMTP_CONVERSATIONS` messages for each provider (and MAX_DIRECT in all for recipients' own servers) are
between a granted dot and their recorded answer in one worker child: that many may be doubled if it is killed.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction

from delivery.envelope import Delivery, Outcome, Reply, Stage
from delivery.mime_bodies import BodyError
from delivery.mime_headers import HeaderError
from delivery.mime_parts import AttachmentTypeError
from ledger.leases import Heartbeat
from messages.claims import Claim, Scope, claim, claim_suspect, mark_dot_sent, mark_started, release
from messages.composing import Composer
from messages.engine import Track, find_engine
from messages.models import Recipient
from messages.moves import lock_messages
from messages.outcomes import Result, end, record
from messages.states import Lane, Reason, Status
from providers.choice import Way, routes
from providers.models import Kind
from providers.services import pause_provider
from tracking.suppressions import find_suppressed_pairs

log = structlog.get_logger(__name__)
T = TypeVar("T")

# Past its time a child goes on claiming only if a slow conversation keeps it this long anyway.
LINGER_SECONDS = 0.5
WAIT_SECONDS = 0.5
# While all providers at work are full, the claim for others' mail is tried this often: it may have to look far.
LOOK_SECONDS = 0.1
DATABASE_PAUSE_SECONDS = 0.2
# Mail that one child holds for recipients' own servers, begun or not, whatever the number of domains.
MAX_DIRECT = 200

# What a child that is kept beyond its time serves: the lanes that the same workers serve, the most urgent first.
NEIGHBOURS: Mapping[Lane, Sequence[Lane]] = {
    Lane.CRITICAL: (Lane.CRITICAL, Lane.NORMAL),
    Lane.NORMAL: (Lane.CRITICAL, Lane.NORMAL),
    Lane.BULK: (Lane.BULK,),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A claim whose way is chosen and whose work has not begun."""

    claim: Claim
    track: Track
    composer: Composer


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A claim on its way out."""

    claim: Claim
    track: Track
    begun_at: float


class Pump:
    """One run of the loop for one lane."""

    def __init__(self, lane: Lane, ask_for_help: Callable[[], None]) -> None:
        self.lanes: Sequence[Lane] = (lane,)
        self.engine = find_engine()
        self._ask_for_help = ask_for_help
        self._waiting: list[Waiting] = []
        self._work: dict[UUID, Work] = {}
        self._slow: set[Track] = set()
        self._deadline = 0.0
        self._is_over = False
        self._look_at = 0.0
        self._has_begun = False

    def run(self) -> bool:
        """Send what is due until nothing is, or the time is up and all conversations begun have ended; whether there
        was anything that could be sent.
        """
        with Heartbeat(Recipient) as heartbeat:
            self._heartbeat = heartbeat
            self._send_suspects()
            self._deadline = time.monotonic() + settings.DELIVER_TIME.total_seconds()
            while True:
                self.engine.exchange.run()
                if self._may_claim():
                    self._refill()
                if not self._work and not self._waiting:
                    return self._has_begun
                self._advance()

    def _send_suspects(self) -> None:
        """What a worker died with, one by one, for half of our time at most: healthy mail waits meanwhile."""
        until = time.monotonic() + settings.DELIVER_TIME.total_seconds() / 2
        while time.monotonic() < until and self._take(claim_suspect(self.lanes[0], self._scope())):
            while self._work or self._waiting:
                self._advance()

    def _may_claim(self) -> bool:
        """In time: yes. Later only while slow conversations keep this child anyway, and not for their providers."""
        now = time.monotonic()
        if now < self._deadline:
            return True
        if not self._is_over:
            self._is_over = True
            self.lanes = NEIGHBOURS[self.lanes[0]]
            given_back, self._waiting = [item.claim for item in self._waiting], []
            retry_database(lambda: release(given_back))
        if now > self._deadline + LINGER_SECONDS:
            self._slow |= {work.track for work in self._work.values() if work.begun_at < now - LINGER_SECONDS}
        return any(work.track in self._slow for work in self._work.values())

    def _refill(self) -> None:
        """Claim as much as the providers that are waiting for work can take, and mail by those that have none."""
        held = self._count_held()
        rooms = [room for way in {track.way for track in held} if (room := self._room(way, held))]
        now = time.monotonic()
        if held and not rooms and now < self._look_at:
            return
        limit = max(rooms, default=2 * settings.SMTP_CONVERSATIONS)
        scope = self._scope()
        for lane in self.lanes:
            claims = retry_database(lambda lane=lane: claim(lane, limit, scope))  # type: ignore[misc]
            if len(claims) >= limit and not self._is_over:
                self._ask_for_help()
            if self._take(claims):
                return
        self._look_at = now + LOOK_SECONDS

    def _count_held(self) -> Counter[Track]:
        """How much of this child's work is on which track."""
        return Counter([work.track for work in self._work.values()] + [item.track for item in self._waiting])

    def _room(self, way: Way, held: Mapping[Track, int]) -> int:
        """How many more claims there is a use for; 0 for what is not worth a claim, and for a provider that rests or
        keeps this child beyond its time. What goes straight to recipients' servers has a limit for each of these.
        """
        if way.kind is Kind.MX:
            room = MAX_DIRECT - sum(count for track, count in held.items() if track.way == way)
            return room if room >= settings.SMTP_CONVERSATIONS else 0
        track = Track(way)
        if track in self._slow or self.engine.is_resting(track):
            return 0
        room = self.engine.capacity(track) - held.get(track, 0)
        return room if room >= self.engine.limit(track) else 0

    def _scope(self) -> Scope:
        """Projects whose mail can go out now: whose provider is neither paused nor full. Not to domains that are."""
        held = self._count_held()
        usable = retry_database(lambda: routes.find_usable(lambda way: self._room(way, held) > 0))
        slow = {track.domain for track in self._slow if track.domain}
        return Scope(
            is_shared_open=usable.is_shared_open,
            open_projects=usable.open_projects,
            closed_projects=usable.closed_projects,
            is_shared_direct=usable.is_shared_direct,
            direct_projects=usable.direct_projects,
            closed_domains=[*self.engine.closed_domains(held), *slow],
        )

    def _take(self, claims: Sequence[Claim]) -> bool:
        """Choose ways and read what is to be composed; whether there was anything."""
        if not claims:
            return False
        self._heartbeat.add(claims[0].token)
        claims = retry_database(lambda: drop_suppressed(claims))
        tracks = self._route(claims)
        taken = [one for one in claims if one.recipient_id in tracks]
        retry_database(lambda: release([one for one in claims if one.recipient_id not in tracks]))
        composer = retry_database(lambda: Composer(taken))
        self._waiting += [Waiting(claim=one, track=tracks[one.recipient_id], composer=composer) for one in taken]
        return True

    def _route(self, claims: Sequence[Claim]) -> dict[UUID, Track]:
        """The tracks of claims that have one now. Of a domain that takes little at once no more is kept than it will
        take soon: the rest is claimed later, and others' mail before it.
        """
        held = self._count_held()
        tracks: dict[UUID, Track] = {}
        for one in claims:
            way = routes.choose(one.project_id, is_simulated=one.is_simulated)
            if way is None:
                continue
            track = self.engine.track(way, one)
            if track.domain:
                if held[track] >= self.engine.capacity(track) or track in self._slow or self.engine.is_resting(track):
                    continue
                held[track] += 1
            tracks[one.recipient_id] = track
        return tracks

    def _pick(self) -> list[Waiting]:
        """What the conversations will come to soon, and no more: what is begun when a worker dies is suspect."""
        picked: list[Waiting] = []
        kept: list[Waiting] = []
        rooms: dict[Track, int] = {}
        for item in self._waiting:
            room = rooms.get(item.track)
            if room is None:
                room = self.engine.room(item.track)
            rooms[item.track] = room - 1
            (picked if room > 0 else kept).append(item)
        self._waiting = kept
        return picked

    def _begin(self, item: Waiting) -> None:
        taken, track = item.claim, item.track
        self._has_begun = True
        work = self._work[taken.recipient_id] = Work(claim=taken, track=track, begun_at=time.monotonic())
        delivery = compose(item.composer, taken)
        if isinstance(delivery, Reply):
            del self._work[taken.recipient_id]
            retry_database(lambda: write([(work, delivery)], [], []))
        else:
            self.engine.conversations.submit(track, self.engine.transport(track.way), [delivery])

    def _advance(self) -> None:
        """Wait for conversations; write down what they answered, which may send their dot, and what is begun next."""
        picked = self._pick()
        gathered = self.engine.conversations.wait(0 if picked else WAIT_SECONDS)
        done = [(self._work.pop(pk), reply) for pk, reply in gathered.replies if pk in self._work]
        asking = [self._work[pk].claim for ask in gathered.asking for pk in ask.ids if pk in self._work]
        if not (done or asking or picked):
            return
        ours = retry_database(lambda: write(done, asking, picked))
        self.engine.conversations.grant(gathered.asking, ours)
        for lost in asking:
            if lost.recipient_id not in ours:
                del self._work[lost.recipient_id]
        self._note(done)
        for item in picked:
            if item.claim.recipient_id in ours:
                self._begin(item)

    def _note(self, done: Sequence[tuple[Work, Reply]]) -> None:
        slowest: dict[Track, float] = {}
        for work, reply in done:
            slowest[work.track] = max(slowest.get(work.track, 0.0), time.monotonic() - work.begun_at)
            self.engine.note(work.track, reply)
            if reply.should_pause and work.track.way.id is not None:
                pause_provider(work.track.way.id, reason=reply.text)
        for track, seconds in slowest.items():
            self.engine.note_pace(track, seconds)


def write(done: Sequence[tuple[Work, Reply]], asking: Sequence[Claim], beginning: Sequence[Waiting]) -> set[UUID]:
    """In one transaction record replies, mark dots and what is begun; returns the recipients that may go on.

    While the database is away the replies are kept and tried again, for the other side has acted on them.
    """
    with transaction.atomic():
        if done:
            record([Result(claim=work.claim, reply=reply, provider_name=work.track.way.name) for work, reply in done])
        ours = mark_dot_sent(asking) if asking else set()
        if beginning:
            ours |= mark_started([item.claim for item in beginning], [item.track.way for item in beginning])
        return ours


def drop_suppressed(claims: Sequence[Claim]) -> list[Claim]:
    """The claims whose address was not suppressed since accept; the others end, without an attempt."""
    suppressed = find_suppressed_pairs([(taken.project_id, taken.address) for taken in claims])
    dropped = [taken for taken in claims if (taken.project_id, taken.address) in suppressed]
    if dropped:
        with transaction.atomic():
            lock_messages(taken.message_id for taken in dropped)
            release(dropped)
            end([taken.recipient_id for taken in dropped], Status.SUPPRESSED, Reason.SUPPRESSED)
    return [taken for taken in claims if taken not in dropped]


def compose(composer: Composer, taken: Claim) -> Delivery | Reply:
    """The delivery, or what to record when the message cannot be written as one."""
    try:
        return composer.compose(taken)
    except (HeaderError, BodyError, AttachmentTypeError, OSError) as error:
        log.exception("compose_failed", message_id=str(taken.message_id))
        return Reply(
            outcome=Outcome.DEFERRED if isinstance(error, OSError) else Outcome.FAILED,
            stage=Stage.CONNECT,
            text=f"The message could not be composed: {type(error).__name__}.",
        )


def retry_database(step: Callable[[], T]) -> T:
    """`step`'s answer; while the database is away it is tried again, for what is in memory must not be dropped.

    A lease that runs out meanwhile is found out by the step itself: it then writes nothing.
    """
    while True:
        try:
            return step()
        except (OperationalError, InterfaceError) as error:
            log.warning("database_away", error=str(error)[:200])
            connection.close()
            time.sleep(DATABASE_PAUSE_SECONDS)
