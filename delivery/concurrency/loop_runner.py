"""Runs transports that can be awaited: all conversations in one thread."""

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Hashable, Sequence
from contextlib import aclosing, suppress
from functools import partial
from threading import Thread
from time import monotonic
from typing import Any
from uuid import UUID
from weakref import WeakSet

from delivery.concurrency.async_transport import AsyncTransport
from delivery.concurrency.protocol import ConversationEvent, DeliveryGroup, SendPermit, describe_fault

# Kept connections are looked after this often.
TIDY_SECONDS = 1.0


class LoopRunner:
    """At most `limit(key)` conversations at once for each key, all in one daemon thread, made on demand. What they say
    goes to `tell`, once for each turn of the loop.
    """

    def __init__(
        self, limit: Callable[[Any], int], tell: Callable[[Sequence[ConversationEvent]], None], logger: logging.Logger
    ) -> None:
        self._limit = limit
        self._tell = tell
        self._logger = logger
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._run, name="conversations", daemon=True)
        # Shared by the owner and the loop; their single operations are atomic.
        self._queues: dict[Hashable, deque[tuple[AsyncTransport, DeliveryGroup]]] = {}
        self._unanswered: set[SendPermit] = set()
        self._posts: deque[Callable[[], None]] = deque()
        self._is_rung = False
        self._is_closed = False
        # The loop's own.
        self._running: defaultdict[Hashable, int] = defaultdict(int)
        self._tasks: set[asyncio.Task[None]] = set()
        self._words: list[ConversationEvent] = []
        self._transports: WeakSet[AsyncTransport] = WeakSet()
        self._is_tidying = False
        self._thread.start()

    # The owner's side

    def submit(self, transport: AsyncTransport, group: DeliveryGroup) -> None:
        """Queue one conversation."""
        self._queues.setdefault(group.key, deque()).append((transport, group))
        self._post(partial(self._fill, group.key))

    def withdraw(self) -> list[DeliveryGroup]:
        """Take back what was not begun."""
        taken: list[DeliveryGroup] = []
        for queue in self._queues.values():
            with suppress(IndexError):
                while True:
                    taken.append(queue.popleft()[1])
        return taken

    def close(self, deadline: float) -> None:
        """Answer every question with no, begin nothing, and wait for the thread until `deadline` (monotonic)."""
        self._is_closed = True
        for ask in list(self._unanswered):
            ask.answer(())
        self._post(self._stop_when_done)
        self._thread.join(max(0.0, deadline - monotonic()))

    def _post(self, action: Callable[[], None]) -> None:
        """Do `action` in the loop's thread, soon. Many at once wake it once: each wake-up is a system call."""
        self._posts.append(action)
        if not self._is_rung:
            self._is_rung = True
            with suppress(RuntimeError):  # the loop has ended: nobody waits for anything any more
                self._loop.call_soon_threadsafe(self._take_posts)

    # The loop's side

    def _run(self) -> None:
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()

    def _take_posts(self) -> None:
        self._is_rung = False  # before the look: who posts after it rings again
        for _ in range(len(self._posts)):
            action = self._posts.popleft()
            try:
                action()
            except Exception:
                self._logger.exception("A conversation could not go on.")

    def _say(self, *events: ConversationEvent) -> None:
        if not self._words:
            self._loop.call_soon(self._hand_over)
        self._words += events

    def _hand_over(self) -> None:
        events, self._words = self._words, []
        self._tell(events)

    def _stop_when_done(self) -> None:
        if self._is_closed and not self._tasks:
            self._loop.call_soon(self._loop.stop)  # behind the last words

    def _tidy(self) -> None:
        is_any_kept = False
        for transport in self._transports:
            try:
                is_any_kept |= transport.tidy()
            except Exception:
                self._logger.exception("A transport could not be tidied.")
        self._is_tidying = is_any_kept
        if is_any_kept:
            self._loop.call_later(TIDY_SECONDS, self._tidy)

    def _fill(self, key: Hashable) -> None:
        """Begin conversations, as many as the key may have."""
        queue = self._queues[key]
        while not self._is_closed and self._running[key] < self._limit(key):
            try:
                transport, group = queue.popleft()
            except IndexError:
                return
            self._running[key] += 1
            self._transports.add(transport)
            task = self._loop.create_task(self._converse(transport, group))
            self._tasks.add(task)
            task.add_done_callback(partial(self._finish, key))

    def _finish(self, key: Hashable, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        self._running[key] -= 1
        if not self._is_tidying:
            self._is_tidying = True
            self._loop.call_later(TIDY_SECONDS, self._tidy)
        self._stop_when_done()
        self._fill(key)

    async def _converse(self, transport: AsyncTransport, group: DeliveryGroup) -> None:
        fault: BaseException | None = None
        try:
            async with aclosing(transport.converse(group.deliveries, partial(self._ask, group))) as replies:
                async for recipient_id, reply in replies:
                    if group.is_awaited(recipient_id):
                        self._say((recipient_id, reply))
        except GeneratorExit:  # the process ends, and so does all that it holds
            raise
        except BaseException as error:
            self._logger.exception("A transport failed.", extra={"provider": str(group.key)})
            fault = error
        self._say(*group.close(describe_fault(fault)))

    async def _ask(self, group: DeliveryGroup, ids: Collection[UUID]) -> Collection[UUID]:
        answer: asyncio.Future[tuple[UUID, ...]] = self._loop.create_future()
        ask = SendPermit(group.key, tuple(ids), lambda allowed: self._post(partial(answer.set_result, allowed)))
        # In this order: whoever closes answers what it finds there, and what comes later sees that it is closed.
        self._unanswered.add(ask)
        if self._is_closed:
            ask.answer(())
        else:
            self._say(ask)
        allowed = await answer
        self._unanswered.discard(ask)
        group.note_permit(ask.ids, allowed)
        return allowed
