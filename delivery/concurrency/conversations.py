"""Concurrent conversations for one owner thread, which records permits and replies in bulk."""

import logging
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any
from uuid import UUID

from delivery.concurrency.async_transport import AsyncTransport
from delivery.concurrency.loop_runner import LoopRunner
from delivery.concurrency.protocol import ConversationEvent, DeliveryGroup, Finished, SendPermit
from delivery.concurrency.thread_runner import ThreadRunner
from delivery.concurrency.turns import Limits
from delivery.envelope import Delivery, Reply, Transport

__all__ = ["Conversations", "Finished", "Gathered", "SendPermit"]

# How long the owner waits for more events than one, while others are on their way: replies, which hold up nothing,
# and a request, whose conversation stands still meanwhile.
GATHER_SECONDS, ASKING_SECONDS = 0.02, 0.004
# How long a submitted conversation may wait for others to start with it.
TOGETHER_SECONDS = 0.02


@dataclass(slots=True)
class Gathered:
    """The events since the last call of `wait`; those of one conversation are in order."""

    replies: list[tuple[UUID, Reply]] = field(default_factory=list)
    asking: list[SendPermit] = field(default_factory=list)
    finished: list[Finished] = field(default_factory=list)

    @property
    def count(self) -> int:
        """The number of events that the owner acts on."""
        return len(self.replies) + len(self.asking)

    def __bool__(self) -> bool:
        return bool(self.replies or self.asking or self.finished)


class Conversations:
    """Runs at most `limit` concurrent conversations per key (a provider). Conversations of an asynchronous transport
    share one thread; each conversation of a blocking transport has its own. All threads are daemons.

    `limit` may be a function of the key. It returns at least 1, may change its result, and is called by any thread.
    `owner_limit` is a function of the same kind: of each owner's groups at most so many run, and owners take turns.

    Only one thread, the owner, may call the methods. For each key at most `limit` messages are between a granted dot
    and the return of their reply by `wait`: a conversation queues its reply before its next request for a permit, so
    that the owner gets the reply no later than the request.
    """

    def __init__(
        self,
        limit: int | Callable[[Any], int],
        logger: logging.Logger | None = None,
        owner_limit: Callable[[Any], int] | None = None,
    ) -> None:
        self._limit: Callable[[Any], int] = limit if callable(limit) else lambda _: limit
        self._owner_limit = owner_limit or self._limit
        self._logger = logger or logging.getLogger(__name__)
        self._words: SimpleQueue[Sequence[ConversationEvent]] = SimpleQueue()
        self._open_counts: Counter[Hashable] = Counter()
        self._is_closed = False
        # When a conversation that is submitted now starts at the latest, and the time for which later ones wait.
        self._start_at = self._together_seconds = 0.0

    @cached_property
    def _loop(self) -> LoopRunner:
        return LoopRunner(Limits(self._limit, self._owner_limit), self._words.put, self._logger)

    @cached_property
    def _threads(self) -> ThreadRunner:
        return ThreadRunner(Limits(self._limit, self._owner_limit), self._words.put, self._logger)

    def submit(
        self,
        key: Hashable,
        transport: Transport,
        delivery_group: Sequence[Delivery],
        owner: Hashable = None,
        permit_until: float = 0.0,
    ) -> None:
        """Queue one conversation. Each delivery results in one reply, or in none if its dot was not granted.

        Until `permit_until` (monotonic seconds) its dots are granted already; after that it asks.
        """
        if self._is_closed:
            raise RuntimeError("these conversations are closed")
        self._open_counts[key] += 1
        group = DeliveryGroup(key, delivery_group, owner, permit_until)
        if isinstance(transport, AsyncTransport):
            self._loop.submit(transport, group)
            if (now := monotonic()) >= self._start_at:
                self._loop.ring()
                self._start_at = now + self._together_seconds
        else:
            self._threads.submit(transport, group, self._open_counts[key])

    @contextmanager
    def together(self) -> Iterator[None]:
        """Conversations that are submitted meanwhile start at its end, or after TOGETHER_SECONDS: their thread wakes up
        once for all of them.
        """
        self._together_seconds = TOGETHER_SECONDS
        self._start_at = monotonic() + TOGETHER_SECONDS
        try:
            yield
        finally:
            self._start_at = self._together_seconds = 0.0
            if "_loop" in vars(self):
                self._loop.ring()

    def wait(self, timeout: float, *, enough: int = 1) -> Gathered:
        """All events since the last call; blocks up to `timeout` seconds for the first one.

        After that it waits a moment until `enough` replies and requests are there: the owner's steps cost little more
        for many of them than for one.
        """
        gathered = Gathered()
        with suppress(Empty):
            self._sort(self._words.get(timeout=timeout), gathered)
            begun_at = monotonic()
            while gathered.count < enough:
                seconds = begun_at + (ASKING_SECONDS if gathered.asking else GATHER_SECONDS) - monotonic()
                if seconds <= 0:
                    break
                self._sort(self._words.get(timeout=seconds), gathered)
            for _ in range(self._words.qsize()):
                self._sort(self._words.get_nowait(), gathered)
        return gathered

    def _sort(self, events: Sequence[ConversationEvent], gathered: Gathered) -> None:
        for event in events:
            if isinstance(event, tuple):
                gathered.replies.append(event)
            elif isinstance(event, SendPermit):
                gathered.asking.append(event)
            else:
                self._open_counts[event.key] -= 1
                gathered.finished.append(event)

    def grant(self, asks: Iterable[SendPermit], allowed_ids: Collection[UUID]) -> None:
        """Resolve the permits `asks`: their conversations send only the ids in `allowed_ids`."""
        allowed = frozenset(() if self._is_closed else allowed_ids)
        for ask in asks:
            ask.answer(tuple(i for i in ask.ids if i in allowed))

    def in_flight(self, key: Hashable) -> int:
        """The number of groups that run, or whose end `wait` has not returned yet."""
        return min(self._limit(key), self._open_counts[key])

    def queued(self, key: Hashable) -> int:
        """The number of groups that have not started."""
        return max(0, self._open_counts[key] - self._limit(key))

    def free(self, key: Hashable) -> int:
        """The number of further groups that would start immediately."""
        return max(0, self._limit(key) - self._open_counts[key])

    def total(self) -> int:
        """The number of groups of all keys whose end `wait` has not returned yet."""
        return self._open_counts.total()

    def withdraw(self) -> list[UUID]:
        """Remove the groups that have not started; the result holds their recipient ids."""
        groups = [group for runner in self._runners() for group in runner.withdraw()]
        self._open_counts.subtract(group.key for group in groups)
        return [recipient_id for group in groups for recipient_id in group.ids]

    def close(self, timeout: float) -> None:
        """Deny all further permits, start no conversation, and wait up to `timeout` seconds for running ones to end.

        `wait` still returns their events. Threads that remain (a server may take ten minutes) do not keep the process
        alive.
        """
        self._is_closed = True
        self.withdraw()
        deadline = monotonic() + timeout
        for runner in self._runners():
            runner.close(deadline)

    def _runners(self) -> list[LoopRunner | ThreadRunner]:
        """The runners that have been created so far."""
        return [runner for name, runner in vars(self).items() if name in {"_loop", "_threads"}]
