"""The sending loop: claim, compose, talk, record, for as long as a worker may stay with it.

One thread owns the database and does nothing else that waits; conversations with providers run in threads of their
own. What they ask and answer is gathered and written in bulk: while one commit runs, the next one's work arrives.
At most `settings.SMTP_CONVERSATIONS` messages for each provider are between a granted dot and their recorded answer
in one worker child: that many may be doubled if it is killed.
"""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction

from delivery.conversations import Conversations
from delivery.envelope import Delivery, Outcome, Reply, Stage, Transport
from delivery.mime_bodies import BodyError
from delivery.mime_headers import HeaderError
from delivery.mime_parts import AttachmentTypeError
from ledger.leases import Heartbeat
from messages.claims import Claim, Scope, claim, claim_suspect, mark_dot_sent, mark_started, release
from messages.composing import Composer
from messages.models import Recipient
from messages.moves import lock_messages
from messages.outcomes import Result, end, record
from messages.states import Lane, Reason, Status
from providers.choice import Way, routes
from providers.services import pause_provider
from providers.transports import build_transport
from tracking.suppressions import find_suppressed_pairs

log = structlog.get_logger(__name__)
T = TypeVar("T")

# A fast provider's queue in one child grows to this many; a slow one keeps at twice its conversations.
MAX_QUEUE = 200
# Past its time a child goes on claiming only if a slow conversation keeps it this long anyway.
LINGER_SECONDS = 0.5
WAIT_SECONDS = 0.5
DATABASE_PAUSE_SECONDS = 0.2


class Engine:
    """What a worker child keeps between tasks: open connections, their threads, and how fast each provider is."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.conversations = Conversations(settings.SMTP_CONVERSATIONS)
        self._transports: dict[Way, Transport] = {}
        self._capacity: dict[Way, int] = {}

    def transport(self, way: Way) -> Transport:
        """The transport of a way out, built once; a changed provider is another way."""
        found = self._transports.get(way)
        if found is None:
            for old in [old for old in self._transports if old.id == way.id]:
                self._transports.pop(old).close()
            found = self._transports[way] = build_transport(way)
        return found

    def room(self, way: Way) -> int:
        """How many more deliveries this way should be given now."""
        return self.capacity(way) - self.conversations.in_flight(way) - self.conversations.queued(way)

    def capacity(self, way: Way) -> int:
        return self._capacity.get(way, 2 * settings.SMTP_CONVERSATIONS)

    def note_pace(self, way: Way, seconds: float) -> None:
        """A provider that empties its queue quickly is given a longer one, so that claims are fewer and larger."""
        if seconds < LINGER_SECONDS:
            self._capacity[way] = min(MAX_QUEUE, 2 * self.capacity(way))
        else:
            self._capacity[way] = 2 * settings.SMTP_CONVERSATIONS

    def close(self) -> None:
        """End conversations' threads and kept connections."""
        self.conversations.close(1.0)
        for transport in self._transports.values():
            transport.close()
        self._transports.clear()


_engine: Engine | None = None


def find_engine() -> Engine:
    """This process's engine. A forked child makes its own: threads and sockets do not survive a fork."""
    global _engine
    if _engine is None or _engine.pid != os.getpid():
        _engine = Engine()
    return _engine


def close_engine() -> None:
    """Close what this process keeps open; called when a worker child ends."""
    global _engine
    if _engine is not None and _engine.pid == os.getpid():
        _engine.close()
    _engine = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A claim on its way out."""

    claim: Claim
    way: Way
    begun_at: float


class Pump:
    """One run of the loop for one lane."""

    def __init__(self, lane: Lane, ask_for_help: Callable[[], None]) -> None:
        self.lane = lane
        self.engine = find_engine()
        self._ask_for_help = ask_for_help
        self._work: dict[UUID, Work] = {}
        self._stuck: frozenset[UUID] | None = None
        self._deadline = time.monotonic() + settings.DELIVER_TIME.total_seconds()

    def run(self) -> None:
        """Send what is due until nothing is, or the time is up and all conversations begun have ended."""
        with Heartbeat(Recipient) as heartbeat:
            self._heartbeat = heartbeat
            while self._is_in_time() and self._take(claim_suspect(self.lane, self._scope())):
                while self._work:
                    self._advance()
            while True:
                if self._may_claim():
                    self._refill()
                if not self._work:
                    return
                self._advance()

    def _is_in_time(self) -> bool:
        return time.monotonic() < self._deadline

    def _may_claim(self) -> bool:
        """In time: yes. Later only while conversations that were open at the end of the time keep this child anyway."""
        if self._is_in_time():
            return True
        if self._stuck is None:
            self._stuck = frozenset(self._work)
        return time.monotonic() > self._deadline + LINGER_SECONDS and not self._stuck.isdisjoint(self._work)

    def _refill(self) -> None:
        """Claim as much as the providers that are waiting for work can take."""
        scope = self._scope()
        rooms = [self.engine.room(way) for way in {work.way for work in self._work.values()}]
        limit = max(rooms, default=2 * settings.SMTP_CONVERSATIONS)
        if limit < settings.SMTP_CONVERSATIONS and rooms:
            return
        claims = retry_database(lambda: claim(self.lane, limit, scope))
        if len(claims) >= limit and self._is_in_time():
            self._ask_for_help()
        self._take(claims)

    def _scope(self) -> Scope:
        """Projects whose mail can go out now: whose provider is neither paused nor full."""
        shared, usable, unusable = retry_database(
            lambda: routes.routable_projects(lambda way: self.engine.room(way) >= settings.SMTP_CONVERSATIONS)
        )
        return Scope(is_shared_open=shared, open_projects=usable, closed_projects=unusable)

    def _take(self, claims: Sequence[Claim]) -> bool:
        """Choose ways, note that work begins, compose, and hand over to the conversations."""
        if not claims:
            return False
        self._heartbeat.add(claims[0].token)
        claims = retry_database(lambda: drop_suppressed(claims))
        ways = {c.recipient_id: routes.choose(c.project_id, is_simulated=c.is_simulated) for c in claims}
        routed = [(c, way) for c in claims if (way := ways[c.recipient_id]) is not None]
        started = retry_database(lambda: mark_started([c for c, _ in routed], [way for _, way in routed]))
        ours = [(c, way) for c, way in routed if c.recipient_id in started]
        composer = retry_database(lambda: Composer([c for c, _ in ours]))
        for taken, way in ours:
            self._begin(taken, way, composer)
        return True

    def _begin(self, taken: Claim, way: Way, composer: Composer) -> None:
        work = self._work[taken.recipient_id] = Work(claim=taken, way=way, begun_at=time.monotonic())
        delivery = compose(composer, taken)
        if isinstance(delivery, Reply):
            del self._work[taken.recipient_id]
            retry_database(lambda: write([(work, delivery)], []))
        else:
            self.engine.conversations.submit(work.way, self.engine.transport(way), [delivery])

    def _advance(self) -> None:
        """Wait for conversations; write down what they answered and which of those that ask may send their dot."""
        gathered = self.engine.conversations.wait(WAIT_SECONDS)
        if not gathered.replies and not gathered.asking:
            return
        done = [(self._work.pop(pk), reply) for pk, reply in gathered.replies if pk in self._work]
        asking = [self._work[pk].claim for ask in gathered.asking for pk in ask.ids if pk in self._work]
        ours = retry_database(lambda: write(done, asking))
        self.engine.conversations.grant(gathered.asking, ours)
        for lost in asking:
            if lost.recipient_id not in ours:
                del self._work[lost.recipient_id]
        self._note(done)

    def _note(self, done: Sequence[tuple[Work, Reply]]) -> None:
        for work, reply in done:
            self.engine.note_pace(work.way, time.monotonic() - work.begun_at)
            if reply.should_pause and work.way.id is not None:
                pause_provider(work.way.id, reason=reply.text)


def write(done: Sequence[tuple[Work, Reply]], asking: Sequence[Claim]) -> set[UUID]:
    """Record replies and mark dots in one transaction; returns the recipients whose dot may be sent.

    While the database is away the replies are kept and tried again, for the other side has acted on them.
    """
    with transaction.atomic():
        if done:
            record([Result(claim=work.claim, reply=reply, provider_name=work.way.name) for work, reply in done])
        return mark_dot_sent(asking) if asking else set()


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
