"""Many conversations at once, for one owner who marks and records in bulk."""

import logging
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from contextlib import suppress
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
from delivery.envelope import Delivery, Reply, Transport

__all__ = ["Conversations", "Finished", "Gathered", "SendPermit"]


@dataclass(slots=True)
class Gathered:
    """What came since the last look; each conversation's words in the order in which it said them."""

    replies: list[tuple[UUID, Reply]] = field(default_factory=list)
    asking: list[SendPermit] = field(default_factory=list)
    finished: list[Finished] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.replies or self.asking or self.finished)


class Conversations:
    """Runs conversations, at most `limit` at once for each key (a provider): those of a transport that can be awaited
    in one thread together, those of any other each in a thread of its own. All are daemon threads.

    `limit` may be a function of the key, at least 1, which may change; any thread calls it.

    All methods are for one thread, the owner. At most `limit` messages for each key are between a granted dot and
    their answer being handed to the owner (by `wait`): a conversation's answer is queued before its next question,
    so whoever sees the question has the answer too.
    """

    def __init__(self, limit: int | Callable[[Any], int], logger: logging.Logger | None = None) -> None:
        self._limit: Callable[[Any], int] = limit if callable(limit) else lambda _: limit
        self._logger = logger or logging.getLogger(__name__)
        self._words: SimpleQueue[Sequence[ConversationEvent]] = SimpleQueue()
        self._open_counts: Counter[Hashable] = Counter()
        self._is_closed = False

    @cached_property
    def _loop(self) -> LoopRunner:
        return LoopRunner(self._limit, self._words.put, self._logger)

    @cached_property
    def _threads(self) -> ThreadRunner:
        return ThreadRunner(self._limit, self._words.put, self._logger)

    def submit(self, key: Hashable, transport: Transport, delivery_group: Sequence[Delivery]) -> None:
        """Queue one conversation. Each delivery comes back as a reply, or not at all if its dot was not granted."""
        if self._is_closed:
            raise RuntimeError("these conversations are closed")
        self._open_counts[key] += 1
        group = DeliveryGroup(key, delivery_group)
        if isinstance(transport, AsyncTransport):
            self._loop.submit(transport, group)
        else:
            self._threads.submit(transport, group, self._open_counts[key])

    def wait(self, timeout: float) -> Gathered:
        """All that has come, at least one word if any comes within `timeout` seconds."""
        gathered = Gathered()
        with suppress(Empty):
            self._sort(self._words.get(timeout=timeout), gathered)
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
        """Answer `asks`: their conversations send what is in `allowed_ids`, and nothing else."""
        allowed = frozenset(() if self._is_closed else allowed_ids)
        for ask in asks:
            ask.answer(tuple(i for i in ask.ids if i in allowed))

    def in_flight(self, key: Hashable) -> int:
        """Groups whose conversation runs, or whose end was not yet handed over by `wait`."""
        return min(self._limit(key), self._open_counts[key])

    def queued(self, key: Hashable) -> int:
        """Groups that wait for their turn."""
        return max(0, self._open_counts[key] - self._limit(key))

    def free(self, key: Hashable) -> int:
        """How many more groups would start at once."""
        return max(0, self._limit(key) - self._open_counts[key])

    def total(self) -> int:
        """Groups of all keys whose end was not yet handed over."""
        return self._open_counts.total()

    def withdraw(self) -> list[UUID]:
        """Take back the groups that have not begun; their ids."""
        groups = [group for runner in self._runners() for group in runner.withdraw()]
        self._open_counts.subtract(group.key for group in groups)
        return [recipient_id for group in groups for recipient_id in group.ids]

    def close(self, timeout: float) -> None:
        """Grant no more dots, begin nothing more, and wait up to `timeout` seconds for conversations to end.

        What they still say can be had from `wait`. Threads that stay (in a server's ten minutes) do not keep the
        process alive.
        """
        self._is_closed = True
        self.withdraw()
        deadline = monotonic() + timeout
        for runner in self._runners():
            runner.close(deadline)

    def _runners(self) -> list[LoopRunner | ThreadRunner]:
        """Those that were needed so far."""
        return [runner for name, runner in vars(self).items() if name in {"_loop", "_threads"}]
