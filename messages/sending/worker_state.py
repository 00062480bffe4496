"""The state that a worker child keeps between tasks: connections, conversations and the speed of each provider."""

import os
from collections.abc import Mapping
from datetime import timedelta
from typing import NamedTuple

from django.conf import settings

from delivery.concurrency.adaptive_limit import AdaptiveConcurrency
from delivery.concurrency.conversations import Conversations
from delivery.envelope import Outcome, Reply, Stage, Transport
from messages.sending.claims import Claim, LaneQueue
from messages.sending.queue.turns import Tenant
from messages.sending.senders import ClosedSenders
from messages.states import Lane
from providers.models import ProviderKind
from providers.routing.rate_limits import Rates, Shares
from providers.routing.selection import ProviderRef
from providers.routing.shared_breakers import Exchange
from providers.transports import build_transport

# The most deliveries that one child claims at once for a fast provider. For a slow one it is twice its conversations.
MAX_CLAIMED = 200
# The deliveries for each conversation, the one on its way and those that wait behind it: of a fast relay, and of all
# others. So many have a mark of the final dot at most (see `messages.sending.loop`).
FAST_DEPTH, DEPTH = 3, 2
# A provider that replies within this time is fast; the time includes the wait for a free conversation.
FAST_SECONDS = 0.2
# The kinds of providers that take one recipient's mail in one conversation, and are not the recipient's own server.
AT_ONCE = frozenset({ProviderKind.SMTP, ProviderKind.INBOX})
# The first concurrency limit for a domain's own servers. A relay is the project's own and starts at its full limit.
FIRST_DIRECT_LIMIT = 3
MAX_LIMITS = 10_000
# A domain whose conversations are all in use has a free one soon.
FULL_WAIT = timedelta(seconds=1)


class SendQueueKey(NamedTuple):
    """The unit of concurrency: a provider, or one recipient domain of a provider that delivers directly."""

    provider: ProviderRef
    domain: str = ""


def leave_to_others(places: int) -> int:
    """The most of a shared provider's places that one project may have: a quarter is for the others."""
    return places - places // 4


class WorkerState:
    """The state of one worker process."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.conversations = Conversations(self.limit, owner_limit=lambda key: leave_to_others(self.limit(key)))
        self.exchange = Exchange()
        self._transports: dict[ProviderRef, Transport] = {}
        self._capacity: dict[SendQueueKey, int] = {}
        self._limits: dict[SendQueueKey, AdaptiveConcurrency] = {}
        self._resting: set[SendQueueKey] = set()
        self.queues = {lane: LaneQueue(lane) for lane in Lane}
        self._queue_keys: dict[ProviderRef, SendQueueKey] = {}
        self.closed_senders = ClosedSenders()
        self._rates = Rates()
        self._shares = Shares()

    def transport(self, provider: ProviderRef) -> Transport:
        """The provider's transport, built once. A changed provider gets a new transport, and the old one is closed."""
        found = self._transports.get(provider)
        if found is None:
            for old in [old for old in self._transports if old.id == provider.id]:
                self._transports.pop(old).close()
                self._queue_keys.pop(old, None)
            found = self._transports[provider] = build_transport(provider)
        return found

    def queue_key(self, provider: ProviderRef, claim: Claim) -> SendQueueKey:
        """The queue key of a claim that goes out by this provider."""
        if provider.kind is ProviderKind.MX:
            return SendQueueKey(provider, claim.domain)
        # The same object for all: a dictionary need not compare it, and counts go by identity.
        found = self._queue_keys.get(provider)
        if found is None:
            found = self._queue_keys[provider] = SendQueueKey(provider)
        return found

    def is_light(self, claim: Claim) -> bool:
        """Whether the claim's project had little due in its lane at the last look, critical mail aside."""
        tenant = Tenant(claim.project_id, claim.is_simulated)
        return claim.lane is not Lane.CRITICAL and tenant not in self.queues[claim.lane].waiting.heavy

    def concurrency(self, queue_key: SendQueueKey) -> AdaptiveConcurrency:
        """The adaptive limit of a queue key, made on demand."""
        found = self._limits.get(queue_key)
        if found is None:
            if len(self._limits) >= MAX_LIMITS:
                self._forget_limits()
            most = settings.SMTP_CONVERSATIONS
            found = self._limits[queue_key] = AdaptiveConcurrency(
                FIRST_DIRECT_LIMIT if queue_key.domain else most, most
            )
        return found

    def _forget_limits(self) -> None:
        """Forget the limits of queue keys without open conversations; they adapt again from the start."""
        for queue_key in [queue_key for queue_key in self._limits if not self.conversations.in_flight(queue_key)]:
            del self._limits[queue_key]

    def limit(self, queue_key: SendQueueKey) -> int:
        """The number of conversations allowed at once, at least 1. Also called from the conversations' thread."""
        concurrency = self._limits.get(queue_key)
        limit = concurrency.limit if concurrency else 1
        return max(1, min(limit, self._find_share(queue_key.provider, limit)))

    def take_share(self, provider: ProviderRef) -> None:
        """Register this process's share of the provider's connections, if they are limited."""
        if provider.id is not None and provider.connection_limit is not None:
            self._shares.hold(provider.id, provider.connection_limit, settings.SMTP_CONVERSATIONS)

    def _find_share(self, provider: ProviderRef, limit: int) -> int:
        if provider.id is None or provider.connection_limit is None:
            return limit
        return self._shares.share_of(provider.id)

    def admit(self, queue_key: SendQueueKey, wanted: int) -> int:
        """The number of `wanted` deliveries that may start now. Admitted deliveries count for the provider's rate."""
        self.take_share(queue_key.provider)
        room = min(wanted, self.room(queue_key))
        if room <= 0 or queue_key.provider.id is None or queue_key.provider.rate_limit is None:
            return room
        return self._rates.take(queue_key.provider.id, queue_key.provider.rate_limit, room)

    def room(self, queue_key: SendQueueKey) -> int:
        """The number of deliveries that may start now."""
        open_count = self.conversations.in_flight(queue_key) + self.conversations.queued(queue_key)
        self.concurrency(queue_key)
        limit = self.limit(queue_key) if self._find_share(queue_key.provider, 1) else 0
        return self._depth(queue_key) * limit - open_count

    def places(self, queue_key: SendQueueKey) -> int:
        """The number of deliveries that may be on their way, so that every conversation has a next one waiting."""
        return self._depth(queue_key) * self.limit(queue_key)

    def _depth(self, queue_key: SendQueueKey) -> int:
        return FAST_DEPTH if self.is_fast(queue_key) else DEPTH

    def capacity(self, queue_key: SendQueueKey) -> int:
        """The number of deliveries of this queue key that a child may hold, started or not."""
        self.concurrency(queue_key)
        limit = self.limit(queue_key) if self._find_share(queue_key.provider, 1) else 0
        return self._capacity.get(queue_key, 2 * limit) if limit == settings.SMTP_CONVERSATIONS else 2 * limit

    def is_fast(self, queue_key: SendQueueKey) -> bool:
        """Whether it is a relay that has replied at once lately."""
        return queue_key.provider.kind in AT_ONCE and self.capacity(queue_key) > 2 * settings.SMTP_CONVERSATIONS

    def least_room(self, queue_key: SendQueueKey) -> int:
        """How many deliveries are worth a claim: for a fast provider half of what a child may hold."""
        return max(self.limit(queue_key), self.capacity(queue_key) // 2)

    def is_resting(self, queue_key: SendQueueKey) -> bool:
        """Whether no delivery of the queue key may start for now."""
        return queue_key in self._resting and self.concurrency(queue_key).rest_seconds > 0

    def rest_seconds(self, provider: ProviderRef) -> float:
        """The seconds for which a provider takes no mail; 0 if it takes mail now."""
        queue_key = SendQueueKey(provider)
        return self.concurrency(queue_key).rest_seconds if queue_key in self._resting else 0.0

    def closed_domains(self, in_flight: Mapping[SendQueueKey, int]) -> Mapping[str, timedelta]:
        """The domains of direct delivery that take no more claims now, because they are full or resting, each with the
        time for which that may last.
        """
        rests = {queue_key: self.concurrency(queue_key).rest_seconds for queue_key in self._resting}
        self._resting = {queue_key for queue_key, seconds in rests.items() if seconds > 0}
        full = {
            queue_key.domain: FULL_WAIT
            for queue_key in in_flight
            if queue_key.domain and self.capacity(queue_key) - in_flight[queue_key] < self.limit(queue_key)
        }
        return full | {
            queue_key.domain: max(FULL_WAIT, timedelta(seconds=rests[queue_key]))
            for queue_key in self._resting
            if queue_key.domain
        }

    def note_reply(self, queue_key: SendQueueKey, reply: Reply) -> None:
        """Adapt the queue key's limit to a reply: throttling lowers it. Failures are left to the circuit breaker."""
        concurrency = self.concurrency(queue_key)
        is_busy = reply.stage is Stage.GREETING and reply.outcome is Outcome.DEFERRED and reply.code is not None
        if reply.should_slow or is_busy:
            concurrency.note_trouble(reply.retry_after if reply.should_slow else None)
            if concurrency.rest_seconds:
                self._resting.add(queue_key)
        elif reply.has_reached:
            concurrency.note_success()

    def note_speed(self, queue_key: SendQueueKey, seconds: float) -> None:
        """Raise the claim size for a fast provider, so that claims become fewer and larger; reset it for a slow one."""
        base = 2 * settings.SMTP_CONVERSATIONS
        fast = min(MAX_CLAIMED, 2 * self._capacity.get(queue_key, base))
        self._capacity[queue_key] = fast if seconds < FAST_SECONDS else base

    def close(self) -> None:
        """Stop the conversations' threads and close kept connections."""
        self.conversations.close(1.0)
        for transport in self._transports.values():
            transport.close()
        self._transports.clear()


_worker_state: WorkerState | None = None


def find_worker_state() -> WorkerState:
    """This process's state. A forked child makes a new one: threads and sockets do not survive a fork."""
    global _worker_state
    if _worker_state is None or _worker_state.pid != os.getpid():
        _worker_state = WorkerState()
    return _worker_state


def close_worker_state() -> None:
    """Close this process's connections and threads. Called when a worker child ends."""
    global _worker_state
    if _worker_state is not None and _worker_state.pid == os.getpid():
        _worker_state.close()
    _worker_state = None
