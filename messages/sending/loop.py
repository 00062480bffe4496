"""The sending loop: claim, compose, send and record, for the time that a worker may spend on one task.

One thread uses the database and waits for nothing else; conversations with providers run in other threads. Their send
permits and replies are collected and written in bulk: while one commit runs, the next batch arrives. In one worker
child, at most three times `settings.SMTP_CONVERSATIONS` messages for each provider (`routing.MAX_DIRECT` for
recipients' own servers) are between a granted final dot and the recorded reply: at most that many are sent twice after
a kill. Two thirds of them wait for a connection: a relay that has been fast gets the permit with the start. A slow one
has twice its conversations at most. Replies that cannot be recorded because somebody else has locked their rows for
long come on top of that.
"""

import time
from collections.abc import Callable, Mapping, Sequence

import structlog
from django.conf import settings

from delivery.concurrency.conversations import GATHER_SECONDS, Gathered
from delivery.envelope import ConversationClock, Reply
from ledger.leases import Heartbeat
from ledger.retrying import retry_database
from ledger.telemetry.spans import note_claim
from messages.models import Recipient
from messages.sending.claims import (
    AHEAD_TIME,
    Claim,
    claim_recipients,
    claim_suspect,
    release_claims,
)
from messages.sending.composing import Composer, LastMade, compose_delivery, find_mail_route
from messages.sending.expiry import expire_leased
from messages.sending.held_back import drop_capped, drop_paused, drop_suppressed
from messages.sending.in_flight import InFlight
from messages.sending.picking import Holdings, may_go_ahead
from messages.sending.progress import Done, Waiting, Work, measure, write_progress
from messages.sending.routing import ProviderRouter, find_tried, is_failure
from messages.sending.senders import drop_refused_senders
from messages.sending.sources import LARGE_BYTES
from messages.sending.worker_state import SendQueueKey, find_worker_state
from messages.states import Lane
from providers.models import ProviderKind
from providers.routing.selection import ProviderRef
from providers.routing.shared_breakers import provider_breakers, provider_key
from providers.services import rest_provider

log = structlog.get_logger(__name__)

# After its time a child continues to claim only while a conversation of at least this age keeps it busy anyway.
LINGER_SECONDS = 0.5
# After this many times its time, only a conversation as old as the child's whole time counts: otherwise providers that
# are a little slow would keep the child busy with each other's mail without end.
MOST_OVERTIME = 2
# The interval of claims for new mail while slow conversations continue: no doorbell wakes a busy child.
WAIT_SECONDS = 0.1
# A step is recorded when at least this part (1/n) of the started deliveries has something to record, or soon.
GATHERED_PART = 2
# The interval at which replies are recorded that could not be because another transaction had locked their rows.
AGAIN_SECONDS = 0.05
# The interval of claims while all providers in use are full: the query may have to scan many rows.
LOOK_SECONDS = 0.1
# The pause of claims after mail was given back because the limit of bytes is reached.
FULL_SECONDS = 1.0
# How often a mail's bytes are in memory where a call is made of them: the parts, their base64, and the request.
COPIES: Mapping[ProviderKind, int] = {ProviderKind.ESP: 3}

# The lanes that a child serves, by the one that it was woken for: those of its worker queue, the most urgent first.
NEIGHBOURS: Mapping[Lane, Sequence[Lane]] = {
    Lane.CRITICAL: (Lane.CRITICAL, Lane.NORMAL),
    Lane.NORMAL: (Lane.CRITICAL, Lane.NORMAL),
    Lane.BULK: (Lane.BULK,),
}


class SendingLoop:
    """One run of the loop for one lane."""

    def __init__(self, lane: Lane, ask_for_help: Callable[[], None]) -> None:
        self.lane = lane
        self.lanes = NEIGHBOURS[lane]
        self.state = find_worker_state()
        self._ask_for_help = ask_for_help
        self._held = Holdings(self.state)
        self._unrecorded: list[Done] = []
        self._last_made = LastMade()
        self._router = ProviderRouter(self.state)
        self._deadline = 0.0
        self._is_over = False
        self._stuck: set[SendQueueKey] = set()
        self._look_at = dict.fromkeys(Lane, 0.0)
        self._full_until = 0.0
        self._has_done = False

    def run(self) -> bool:
        """Send due recipients until none is left, or until the time is up and all open conversations have ended.

        Returns whether at least one recipient could be processed.
        """
        with Heartbeat(Recipient, InFlight(self._held.work).show) as heartbeat:
            self._heartbeat = heartbeat
            self._send_suspects()
            self._deadline = time.monotonic() + settings.DELIVER_TIME.total_seconds()
            while True:
                self.state.exchange.run()
                has_taken = self._may_claim() and self._refill()
                if not self._is_idle:
                    self._advance()
                elif not has_taken:
                    return self._has_done

    @property
    def _is_idle(self) -> bool:
        return not (self._held.work or self._held.has_waiting or self._unrecorded)

    def _send_suspects(self) -> None:
        """Send recipients that crashed a worker, one by one, for at most half of our time, since other mail waits."""
        until = time.monotonic() + settings.DELIVER_TIME.total_seconds() / 2
        while time.monotonic() < until and self._take(self._claim_suspect()):
            while not self._is_idle:
                self._advance()

    def _claim_suspect(self) -> Sequence[Claim]:
        scope = retry_database(lambda: self._router.find_scope(self._held.load, self.lane))
        return retry_database(lambda: claim_suspect(self.lane, scope))

    def _may_claim(self) -> bool:
        """Whether to claim: always within our time; later only while slow conversations keep this child busy, and only
        for other providers than theirs.
        """
        now = time.monotonic()
        if now < self._full_until:
            return False
        if now < self._deadline:
            return True
        if not self._is_over:
            self._is_over = True
            given_back = self._held.withdraw()
            retry_database(lambda: release_claims(given_back))
        time_given = settings.DELIVER_TIME.total_seconds()
        # A slow provider gets no claims until it has replied; a stuck one gets none for the whole run.
        self._stuck |= self._list_queue_keys(now - max(time_given, LINGER_SECONDS))
        self._router.slow = self._stuck | self._list_queue_keys(now - LINGER_SECONDS)
        keeping = self._router.slow if now < self._deadline + MOST_OVERTIME * time_given else self._stuck
        return bool(self._unrecorded) or any(work.queue_key in keeping for work in self._held.work.values())

    def _list_queue_keys(self, begun_before: float) -> set[SendQueueKey]:
        """The queue keys of work that started before a time and has no reply yet."""
        return {work.queue_key for work in self._held.work.values() if work.begun_at < begun_before}

    def _refill(self) -> bool:
        """Claim as much as the providers in use can take, and mail for providers without work, from each lane.

        Returns whether any claim was used.
        """
        has_taken = False
        for lane in self.lanes:
            has_taken |= self._refill_from(lane)
        return has_taken

    def _refill_from(self, lane: Lane) -> bool:
        load = self._held.load
        if not load.in_flight:
            self.state.queues[lane].waiting.forget()
        limit = self._router.find_limit(load, lane)
        now = time.monotonic()
        if load.in_flight and not limit and now < self._look_at[lane]:
            return False
        limit = limit or 2 * settings.SMTP_CONVERSATIONS
        queue = self.state.queues[lane]
        if retry_database(queue.waiting.read):
            scope = retry_database(lambda: self._router.find_scope(load, lane))
            claims = retry_database(lambda: claim_recipients(lane, limit, scope, queue))
            if len(claims) >= limit and not self._is_over:
                self._ask_for_help()
            if self._take(claims):
                return True
        self._look_at[lane] = now + LOOK_SECONDS
        return False

    def _take(self, claims: Sequence[Claim]) -> bool:
        """Select providers for claims and read their messages. Returns whether any claim was used."""
        if not claims:
            return False
        claimed_at = time.time() if settings.IS_TRACED else 0.0
        self._heartbeat.add(claims[0].token)
        admitted = retry_database(lambda: drop_refused_senders(claims, self.state.closed_senders))
        wanted = retry_database(lambda: drop_suppressed(drop_paused(admitted)))
        left = retry_database(lambda: drop_capped(wanted))
        tried = retry_database(lambda: find_tried(left))
        selections = retry_database(lambda: self._router.choose(left, tried, self._held.load.in_flight))
        taken = [one for one in left if one.recipient_id in selections]
        retry_database(lambda: release_claims([one for one in left if one.recipient_id not in selections]))
        composer = retry_database(lambda: Composer(taken, self._last_made))
        for one in taken:
            selection = selections[one.recipient_id]
            self._held.add(
                Waiting(
                    claim=one,
                    queue_key=self.state.queue_key(selection.provider, one),
                    composer=composer,
                    size=composer.find_size(one) * COPIES.get(selection.provider.kind, 1),
                    may_be_uncertain=composer.may_be_uncertain(one),
                    has_own_content=composer.has_own_content(one, find_mail_route(selection.provider)),
                    decision=selection.describe(),
                    tried=tried.get(one.recipient_id, {}),
                )
            )
        if settings.IS_TRACED:
            trace_claims(taken, claimed_at)
        has_done = bool(taken) or len(left) < len(claims)
        self._has_done |= has_done
        return has_done

    def _pick(self) -> Sequence[Sequence[Waiting]]:
        """Pick only what can start now: recipients already started become suspects if the worker dies."""
        picked = self._held.pick(settings.DELIVER_LIMIT_BYTES)
        if picked.held and self._is_over:
            self._give_back(picked.held)
        return picked.starting

    def _give_back(self, held: Sequence[Waiting]) -> None:
        """Release mail that cannot start soon, since slow conversations hold the bytes. Another child may take it, and
        this one claims nothing for a while, or it would claim the same again.
        """
        given_back = self._held.withdraw(held)
        retry_database(lambda: release_claims(given_back))
        self._full_until = time.monotonic() + FULL_SECONDS

    def _begin(self, items: Sequence[Waiting], permit_until: float) -> None:
        """Start one conversation for items of one queue key, whose final dots are granted until a time."""
        queue_key, deliveries = items[0].queue_key, []
        route, held = find_mail_route(queue_key.provider), measure(items)
        for item in items:
            begun_at = time.monotonic()
            delivery = retry_database(lambda item=item: compose_delivery(item.composer, item.claim, route))  # type: ignore[misc]
            work = Work(
                claim=item.claim,
                queue_key=queue_key,
                tried=item.tried,
                begun_at=begun_at,
                size=held // len(items),
                is_large=held > LARGE_BYTES,
                is_ahead=bool(permit_until),
                clock=ConversationClock() if isinstance(delivery, Reply) else delivery.clock,
            )
            if isinstance(delivery, Reply):
                self._held.drop([item])
                self._unrecorded.append(Done(work=work, reply=delivery))
            else:
                self._held.work[item.claim.recipient_id] = work
                deliveries.append(delivery)
        if deliveries:
            owner = items[0].claim.project_id if queue_key.provider.is_shared else None
            transport = self.state.transport(queue_key.provider)
            self.state.conversations.submit(queue_key, transport, deliveries, owner, permit_until)

    def _advance(self) -> None:
        """Wait for conversations; record their replies, grant final dots, and start the picked items."""
        starting = list(self._pick())
        gathered = self._gather(sum(map(len, starting)))
        ended = [(work, reply) for pk, reply in gathered.replies if (work := self._held.end(pk)) is not None]
        if ended and not starting:
            starting += self._pick()  # in the places of those that have ended
        picked = [item for items in starting for item in items]
        done = [*self._unrecorded, *(self._finish(work, reply) for work, reply in ended)]
        asking = [self._held.work[pk] for ask in gathered.asking for pk in ask.ids if pk in self._held.work]
        if not (done or asking or picked):
            return
        fast = {queue_key for queue_key in {item.queue_key for item in picked} if self.state.is_fast(queue_key)}
        ahead = [item for item in picked if item.queue_key in fast and may_go_ahead(item)]
        permit_until = time.monotonic() + AHEAD_TIME.total_seconds()
        progress = retry_database(lambda: write_progress(done, asking, picked, ahead))
        ours, self._unrecorded = progress.ours, progress.busy
        self.state.conversations.grant(gathered.asking, ours)
        lost = [work.claim for work in asking if work.claim.recipient_id not in ours]
        for claim in lost:
            self._held.end(claim.recipient_id)
        if lost:
            retry_database(lambda: expire_leased(lost))
        self._note(ended)
        with self.state.conversations.together():
            for items in starting:
                still_ours = [item for item in items if item.claim.recipient_id in ours]
                if len(still_ours) < len(items):
                    self._held.drop(item for item in items if item.claim.recipient_id not in ours)
                if still_ours:
                    is_ahead = all(item.claim.recipient_id in progress.ahead for item in still_ours)
                    self._begin(still_ours, permit_until if is_ahead else 0.0)

    def _gather(self, picked_count: int) -> Gathered:
        """The conversations' events. While many deliveries are on their way, it waits a moment for more of them: a step
        costs little more for many than for one.
        """
        enough = len(self._held.work) // GATHERED_PART
        if picked_count >= enough:
            wait = 0.0 if picked_count else AGAIN_SECONDS if self._unrecorded else WAIT_SECONDS
            return self.state.conversations.wait(wait)
        wait = GATHER_SECONDS if picked_count else AGAIN_SECONDS if self._unrecorded else WAIT_SECONDS
        return self.state.conversations.wait(wait, enough=enough - picked_count)

    def _finish(self, work: Work, reply: Reply) -> Done:
        has_other = retry_database(
            lambda: self._router.has_other(work.claim, reply, work.tried, work.queue_key.provider)
        )
        return Done(work=work, reply=reply, has_other_provider=has_other)

    def _note(self, done: Sequence[tuple[Work, Reply]]) -> None:
        slowest: dict[SendQueueKey, float] = {}
        for work, reply in done:
            slowest[work.queue_key] = max(slowest.get(work.queue_key, 0.0), time.monotonic() - work.begun_at)
            self.state.note_reply(work.queue_key, reply)
            note_breaker(work.queue_key.provider, reply)
            if reply.should_pause and work.queue_key.provider.id is not None:
                rest_provider(work.queue_key.provider.id, reason=reply.text)
        for queue_key, seconds in slowest.items():
            self.state.note_speed(queue_key, seconds)


def note_breaker(provider: ProviderRef, reply: Reply) -> None:
    """Report a reply to the provider's circuit breaker. Recipients' own servers have separate breakers."""
    if provider.id is None or provider.kind is ProviderKind.MX:
        return
    if is_failure(reply):
        provider_breakers.note_failure(provider_key(provider.id), reply.text)
    else:
        provider_breakers.note_success(provider_key(provider.id))


def trace_claims(claims: Sequence[Claim], claimed_at: float) -> None:
    for one in claims:
        facts = {"recipient_id": one.recipient_id, "project_id": one.project_id, "lane": one.lane}
        note_claim(one.message_id, one.attempt_id, claimed_at, number=one.number, **facts)
