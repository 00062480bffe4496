"""What a worker child keeps between tasks: open connections, their conversations, and how fast each provider is."""

import os
from collections.abc import Mapping
from typing import NamedTuple

from django.conf import settings

from delivery.concurrency.adaptive_limit import AdaptiveConcurrency
from delivery.concurrency.conversations import Conversations
from delivery.envelope import Outcome, Reply, Stage, Transport
from messages.sending.claims import Claim
from providers.models import ProviderKind
from providers.routing.rate_limits import Rates, Shares
from providers.routing.selection import ProviderRef
from providers.routing.shared_breakers import Exchange
from providers.transports import build_transport

# Of a fast provider's mail one child claims this much at once; of a slow one's twice its conversations.
MAX_CLAIMED = 200
# Fast is who answers within this time, the wait for a free conversation included.
FAST_SECONDS = 0.2
# What a domain's own servers are begun with; a relay is ours, and takes all that it is allowed at once.
FIRST_DIRECT_LIMIT = 3
MAX_LIMITS = 10_000


class SendQueueKey(NamedTuple):
    """What shares a pace: a way out, or one domain of a way that goes straight to it."""

    provider: ProviderRef
    domain: str = ""


class WorkerState:
    """One for each process."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.conversations = Conversations(self.limit)
        self.exchange = Exchange()
        self._transports: dict[ProviderRef, Transport] = {}
        self._capacity: dict[SendQueueKey, int] = {}
        self._limits: dict[SendQueueKey, AdaptiveConcurrency] = {}
        self._resting: set[SendQueueKey] = set()
        self._rates = Rates()
        self._shares = Shares()

    def transport(self, provider: ProviderRef) -> Transport:
        """The transport of a way out, built once; a changed provider is another way."""
        found = self._transports.get(provider)
        if found is None:
            for old in [old for old in self._transports if old.id == provider.id]:
                self._transports.pop(old).close()
            found = self._transports[provider] = build_transport(provider)
        return found

    def queue_key(self, provider: ProviderRef, claim: Claim) -> SendQueueKey:
        """Which track a claim goes on by this way."""
        return SendQueueKey(provider, claim.domain if provider.kind is ProviderKind.MX else "")

    def concurrency(self, queue_key: SendQueueKey) -> AdaptiveConcurrency:
        """The track's pace, made on demand."""
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
        """Those without open conversations; what they had learned they learn again."""
        for queue_key in [queue_key for queue_key in self._limits if not self.conversations.in_flight(queue_key)]:
            del self._limits[queue_key]

    def limit(self, queue_key: SendQueueKey) -> int:
        """How many conversations there may be at once, at least 1. The conversations' thread asks too."""
        concurrency = self._limits.get(queue_key)
        limit = concurrency.limit if concurrency else 1
        return max(1, min(limit, self._find_share(queue_key.provider, limit)))

    def take_share(self, provider: ProviderRef) -> None:
        """Have this process's part of the provider's connections counted, where they are limited."""
        if provider.id is not None and provider.connection_limit is not None:
            self._shares.hold(provider.id, provider.connection_limit, settings.SMTP_CONVERSATIONS)

    def _find_share(self, provider: ProviderRef, limit: int) -> int:
        if provider.id is None or provider.connection_limit is None:
            return limit
        return self._shares.share_of(provider.id)

    def admit(self, queue_key: SendQueueKey, wanted: int) -> int:
        """How many of `wanted` deliveries may be begun now. What is admitted counts for the provider's rate."""
        self.take_share(queue_key.provider)
        room = min(wanted, self.room(queue_key))
        if room <= 0 or queue_key.provider.id is None or queue_key.provider.rate_limit is None:
            return room
        return self._rates.take(queue_key.provider.id, queue_key.provider.rate_limit, room)

    def room(self, queue_key: SendQueueKey) -> int:
        """How many more deliveries may be begun now, so that no conversation ends without a next one."""
        open_count = self.conversations.in_flight(queue_key) + self.conversations.queued(queue_key)
        self.concurrency(queue_key)
        limit = self.limit(queue_key) if self._find_share(queue_key.provider, 1) else 0
        return 2 * limit - open_count

    def capacity(self, queue_key: SendQueueKey) -> int:
        """How many deliveries for this track a child may hold, begun or not."""
        self.concurrency(queue_key)
        limit = self.limit(queue_key) if self._find_share(queue_key.provider, 1) else 0
        return self._capacity.get(queue_key, 2 * limit) if limit == settings.SMTP_CONVERSATIONS else 2 * limit

    def is_resting(self, queue_key: SendQueueKey) -> bool:
        """Whether nothing is to be begun on the track for now."""
        return queue_key in self._resting and self.concurrency(queue_key).rest_seconds > 0

    def rest_seconds(self, provider: ProviderRef) -> float:
        """How long a provider wants no mail at all."""
        queue_key = SendQueueKey(provider)
        return self.concurrency(queue_key).rest_seconds if queue_key in self._resting else 0.0

    def closed_domains(self, in_flight: Mapping[SendQueueKey, int]) -> list[str]:
        """The domains of direct delivery of which no more is wanted now."""
        self._resting = {queue_key for queue_key in self._resting if self.concurrency(queue_key).rest_seconds > 0}
        full = {
            queue_key
            for queue_key in in_flight
            if queue_key.domain and self.capacity(queue_key) - in_flight[queue_key] < self.limit(queue_key)
        }
        return sorted({queue_key.domain for queue_key in full | self._resting if queue_key.domain})

    def note_reply(self, queue_key: SendQueueKey, reply: Reply) -> None:
        """Let the track's pace know of a reply. A host that wants less of us gets less; one that is down is left to
        its circuit.
        """
        concurrency = self.concurrency(queue_key)
        is_busy = reply.stage is Stage.GREETING and reply.outcome is Outcome.DEFERRED and reply.code is not None
        if reply.should_slow or is_busy:
            concurrency.note_trouble(reply.retry_after if reply.should_slow else None)
            if concurrency.rest_seconds:
                self._resting.add(queue_key)
        elif reply.has_reached:
            concurrency.note_success()

    def note_speed(self, queue_key: SendQueueKey, seconds: float) -> None:
        """Claims for a provider that answers quickly become fewer and larger."""
        base = 2 * settings.SMTP_CONVERSATIONS
        fast = min(MAX_CLAIMED, 2 * self._capacity.get(queue_key, base))
        self._capacity[queue_key] = fast if seconds < FAST_SECONDS else base

    def close(self) -> None:
        """End conversations' threads and kept connections."""
        self.conversations.close(1.0)
        for transport in self._transports.values():
            transport.close()
        self._transports.clear()


_worker_state: WorkerState | None = None


def find_worker_state() -> WorkerState:
    """This process's engine. A forked child makes its own: threads and sockets do not survive a fork."""
    global _worker_state
    if _worker_state is None or _worker_state.pid != os.getpid():
        _worker_state = WorkerState()
    return _worker_state


def close_worker_state() -> None:
    """Close what this process keeps open; called when a worker child ends."""
    global _worker_state
    if _worker_state is not None and _worker_state.pid == os.getpid():
        _worker_state.close()
    _worker_state = None
