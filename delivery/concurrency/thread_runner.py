"""Runs the conversations of blocking transports, each in a thread."""

import logging
from collections.abc import Callable, Collection, Hashable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Lock, Thread, current_thread
from time import monotonic
from typing import Any
from uuid import UUID

from delivery.concurrency.protocol import ConversationEvent, DeliveryGroup, SendPermit, describe_fault
from delivery.envelope import Transport

# An idle thread ends after this time; the transport keeps the connections.
IDLE_SECONDS = 10.0

Job = tuple[Transport, DeliveryGroup]


class _Crew:
    """One key's queue and threads."""

    def __init__(self) -> None:
        self.jobs: SimpleQueue[Job | None] = SimpleQueue()
        self.lock = Lock()  # serialises a new job and the end of an idle thread
        self.threads: set[Thread] = set()


class ThreadRunner:
    """Runs at most `limit(key)` daemon threads per key, started on demand, ended when idle. `tell` gets events."""

    def __init__(
        self, limit: Callable[[Any], int], tell: Callable[[Sequence[ConversationEvent]], None], logger: logging.Logger
    ) -> None:
        self._limit = limit
        self._tell = tell
        self._logger = logger
        self._crews: dict[Hashable, _Crew] = {}
        self._unanswered: set[SendPermit] = set()
        self._is_closed = False

    def submit(self, transport: Transport, group: DeliveryGroup, open_count: int) -> None:
        """Queue one conversation; `open_count` is the number of conversations of its key, this one included."""
        crew = self._crews.setdefault(group.key, _Crew())
        with crew.lock:
            crew.jobs.put((transport, group))
            if len(crew.threads) < min(self._limit(group.key), open_count):
                thread = Thread(target=self._work, args=(crew,), name=f"conversation-{group.key}", daemon=True)
                crew.threads.add(thread)
                thread.start()

    def withdraw(self) -> list[DeliveryGroup]:
        """Remove and return the groups that no thread has started."""
        taken: list[DeliveryGroup] = []
        for crew in self._crews.values():
            with suppress(Empty):
                while job := crew.jobs.get_nowait():
                    taken.append(job[1])
        return taken

    def close(self, deadline: float) -> None:
        """Deny every permit, start no conversation, and wait for the threads until `deadline` (monotonic seconds)."""
        self._is_closed = True
        for ask in list(self._unanswered):
            ask.answer(())
        threads = [(crew, thread) for crew in self._crews.values() for thread in list(crew.threads)]
        for crew, _ in threads:
            crew.jobs.put(None)
        for _, thread in threads:
            thread.join(max(0.0, deadline - monotonic()))

    def _work(self, crew: _Crew) -> None:
        """The main function of a thread: run conversations until the queue stays empty."""
        while True:
            try:
                job = crew.jobs.get(timeout=IDLE_SECONDS)
            except Empty:
                with crew.lock:
                    if crew.jobs.empty():
                        crew.threads.discard(current_thread())
                        return
                continue
            if job is None:
                return
            self._converse(*job)

    def _converse(self, transport: Transport, group: DeliveryGroup) -> None:
        def before_dot(ids: Collection[UUID]) -> Collection[UUID]:
            allowed = self._ask(group, tuple(ids))
            group.note_permit(tuple(ids), allowed)
            return allowed

        fault: BaseException | None = None
        try:
            for recipient_id, reply in transport.transmit(group.deliveries, before_dot):
                if group.is_awaited(recipient_id):
                    self._tell([(recipient_id, reply)])
        except BaseException as error:
            self._logger.exception("A transport failed.", extra={"provider": str(group.key)})
            fault = error
        self._tell(group.close(describe_fault(fault)))

    def _ask(self, group: DeliveryGroup, ids: tuple[UUID, ...]) -> tuple[UUID, ...]:
        answers: SimpleQueue[tuple[UUID, ...]] = SimpleQueue()
        ask = SendPermit(group.key, ids, answers.put)
        # The order matters: `close` denies the permits that it finds, and later requests see the flag.
        self._unanswered.add(ask)
        try:
            if self._is_closed:
                return ()
            self._tell([ask])
            return answers.get()
        finally:
            self._unanswered.discard(ask)
