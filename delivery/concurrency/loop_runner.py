"""Runs the conversations of asynchronous transports in one thread."""

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Hashable, Sequence
from contextlib import suppress
from functools import partial
from threading import Thread
from time import monotonic
from uuid import UUID
from weakref import WeakSet

from delivery.concurrency.async_transport import AsyncTransport, Talk
from delivery.concurrency.protocol import ConversationEvent, DeliveryGroup, SendPermit, describe_fault
from delivery.concurrency.turns import Limits, OwnerQueues

# The interval at which expired idle connections are closed.
TIDY_SECONDS = 1.0

Job = tuple[AsyncTransport, DeliveryGroup]


class LoopRunner:
    """Runs at most as many concurrent conversations per key and owner as `limits` tell, all in one daemon thread that
    is started on demand. `tell` gets their events in one batch per turn of the loop.
    """

    def __init__(
        self, limits: Limits, tell: Callable[[Sequence[ConversationEvent]], None], logger: logging.Logger
    ) -> None:
        self._limits = limits
        self._tell = tell
        self._logger = logger
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._run, name="conversations", daemon=True)
        # Shared by the owner and the loop; each single operation on them is atomic.
        self._queues: dict[Hashable, OwnerQueues[Job]] = {}
        self._unanswered: set[SendPermit] = set()
        # The keys for which `_fill_later` is on its way.
        self._to_fill: set[Hashable] = set()
        self._posts: deque[Callable[[], None]] = deque()
        self._is_rung = False
        self._is_closed = False
        # Used by the loop only.
        self._running: defaultdict[Hashable, int] = defaultdict(int)
        self._tasks: set[asyncio.Task[None]] = set()
        self._words: list[ConversationEvent] = []
        self._transports: WeakSet[AsyncTransport] = WeakSet()
        self._is_tidying = False
        self._thread.start()

    # Called by the owner

    def submit(self, transport: AsyncTransport, group: DeliveryGroup) -> None:
        """Queue one conversation, which starts at the next `ring`."""
        self._queues.setdefault(group.key, OwnerQueues()).add(group.owner, (transport, group))
        if group.key not in self._to_fill:
            self._to_fill.add(group.key)
            self._posts.append(partial(self._fill_later, group.key))

    def withdraw(self) -> list[DeliveryGroup]:
        """Remove and return the groups that have not started."""
        return [group for queues in self._queues.values() for _, group in queues.withdraw()]

    def close(self, deadline: float) -> None:
        """Deny every permit, start no conversation, and wait for the thread until `deadline` (monotonic seconds)."""
        self._is_closed = True
        for ask in list(self._unanswered):
            ask.answer(())
        self._post(self._stop_when_done)
        self._thread.join(max(0.0, deadline - monotonic()))

    def _post(self, action: Callable[[], None]) -> None:
        """Run `action` soon in the loop's thread."""
        self._posts.append(action)
        self.ring()

    def ring(self) -> None:
        """Wake the loop's thread for what waits. Several actions share one wake-up, which is a system call."""
        if self._posts and not self._is_rung:
            self._is_rung = True
            with suppress(RuntimeError):  # the loop has ended, and no conversation waits
                self._loop.call_soon_threadsafe(self._take_posts)

    # Called by the loop

    def _run(self) -> None:
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()

    def _take_posts(self) -> None:
        self._is_rung = False  # cleared before the queue is read, so that a later post wakes the loop again
        for _ in range(len(self._posts)):
            action = self._posts.popleft()
            try:
                action()
            except Exception:
                self._logger.exception("A conversation could not continue.")

    def _say(self, *events: ConversationEvent) -> None:
        if not self._words:
            self._loop.call_soon(self._hand_over)
        self._words += events

    def _hand_over(self) -> None:
        events, self._words = self._words, []
        self._tell(events)

    def _stop_when_done(self) -> None:
        if self._is_closed and not self._tasks:
            self._loop.call_soon(self._loop.stop)  # after the last events

    def _tidy(self) -> None:
        is_any_kept = False
        for transport in self._transports:
            try:
                is_any_kept |= transport.tidy()
            except Exception:
                self._logger.exception("Closing a transport's idle connections failed.")
        self._is_tidying = is_any_kept
        if is_any_kept:
            self._loop.call_later(TIDY_SECONDS, self._tidy)

    def _fill_later(self, key: Hashable) -> None:
        """As `_fill`, once for all that was submitted meanwhile."""
        self._to_fill.discard(key)  # before the queue is read, so that a later submission comes here again
        self._fill(key)

    def _fill(self, key: Hashable) -> None:
        """Start as many conversations as the limit of the key allows."""
        while (job := self._take_job(key, self._running[key] + 1)) is not None:
            self._running[key] += 1
            task = self._loop.create_task(self._serve(key, job))
            self._tasks.add(task)
            task.add_done_callback(partial(self._finish, key))

    def _take_job(self, key: Hashable, running: int) -> Job | None:
        """The next conversation of a key, if `running` are not too many."""
        queues = self._queues[key]
        if self._is_closed or not queues or running > self._limits.of_key(key):
            return None
        return queues.take(self._limits.of_owner(key))

    def _finish(self, key: Hashable, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        self._running[key] -= 1
        if not self._is_tidying:
            self._is_tidying = True
            self._loop.call_later(TIDY_SECONDS, self._tidy)
        self._stop_when_done()
        self._fill(key)

    async def _serve(self, key: Hashable, first: Job) -> None:
        """A conversation and, in turn, those that wait behind it: a task and a connection for each would cost more than
        the conversation.
        """
        job: Job | None = first
        while job is not None:
            transport = job[0]
            self._transports.add(transport)
            talk = transport.begin()
            try:
                while job is not None and job[0] is transport:
                    if not await self._converse(talk, job[1]):
                        return
                    job = self._take_job(key, self._running[key])
            finally:
                talk.end()

    async def _converse(self, talk: Talk, group: DeliveryGroup) -> bool:
        """One conversation. Whether another one may follow over the same connection."""
        fault: BaseException | None = None
        try:
            ask = partial(self._ask, group)
            for delivery in group.deliveries:
                reply = await talk.hand_over(delivery, ask)
                if reply is not None and group.is_awaited(delivery.recipient_id):
                    self._say((delivery.recipient_id, reply))
        except GeneratorExit:  # the process ends, and its connections with it
            raise
        except BaseException as error:
            self._logger.exception("A transport failed.", extra={"provider": str(group.key)})
            fault = error
        self._queues[group.key].end(group.owner)
        self._say(*group.close(describe_fault(fault)))
        return fault is None

    async def _ask(self, group: DeliveryGroup, ids: Collection[UUID]) -> Collection[UUID]:
        if group.has_permit() and not self._is_closed:
            group.note_permit(tuple(ids), tuple(ids))
            return ids
        answer: asyncio.Future[tuple[UUID, ...]] = self._loop.create_future()
        ask = SendPermit(group.key, tuple(ids), lambda allowed: self._post(partial(answer.set_result, allowed)))
        # The order matters: `close` denies the permits that it finds, and later requests see the flag.
        self._unanswered.add(ask)
        if self._is_closed:
            ask.answer(())
        else:
            self._say(ask)
        allowed = await answer
        self._unanswered.discard(ask)
        group.note_permit(ask.ids, allowed)
        return allowed
