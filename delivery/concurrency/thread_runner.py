"""Runs the conversations of blocking transports, each in a thread."""

import logging
from collections.abc import Callable, Collection, Hashable, Sequence
from queue import SimpleQueue
from threading import Condition, Thread, current_thread
from time import monotonic
from uuid import UUID

from delivery.concurrency.protocol import ConversationEvent, DeliveryGroup, SendPermit, describe_fault
from delivery.concurrency.turns import Limits, OwnerQueues
from delivery.envelope import Transport

# An idle thread ends after this time; the transport keeps the connections.
IDLE_SECONDS = 10.0

Job = tuple[Transport, DeliveryGroup]


class _Crew:
    """One key's queue and threads. `condition` guards all of it."""

    def __init__(self, limits: Limits, key: Hashable) -> None:
        self.condition = Condition()
        self.jobs: OwnerQueues[Job] = OwnerQueues()
        self.threads: set[Thread] = set()
        self.is_closed = False
        self._limits = limits
        self._key = key

    def take(self) -> Job | None:
        """The next job, or None when none has come for IDLE_SECONDS, or when the crew is closed: the thread ends."""
        with self.condition:
            deadline = monotonic() + IDLE_SECONDS
            while not self.is_closed:
                if job := self.jobs.take(self._limits.of_owner(self._key)):
                    return job
                if not self.condition.wait(max(0.0, deadline - monotonic())):
                    break
            self.threads.discard(current_thread())
            return None

    def end(self, owner: Hashable) -> None:
        """A job of this owner has ended, so that another thread may take the owner's next one."""
        with self.condition:
            self.jobs.end(owner)
            self.condition.notify()


class ThreadRunner:
    """Runs at most as many daemon threads per key and owner as `limits` tell, started on demand, ended when idle.
    `tell` gets events.
    """

    def __init__(
        self, limits: Limits, tell: Callable[[Sequence[ConversationEvent]], None], logger: logging.Logger
    ) -> None:
        self._limits = limits
        self._tell = tell
        self._logger = logger
        self._crews: dict[Hashable, _Crew] = {}
        self._unanswered: set[SendPermit] = set()
        self._is_closed = False

    def submit(self, transport: Transport, group: DeliveryGroup, open_count: int) -> None:
        """Queue one conversation; `open_count` is the number of conversations of its key, this one included."""
        crew = self._crews.get(group.key)
        if crew is None:
            crew = self._crews[group.key] = _Crew(self._limits, group.key)
        with crew.condition:
            crew.jobs.add(group.owner, (transport, group))
            crew.condition.notify()
            if len(crew.threads) < min(self._limits.of_key(group.key), open_count):
                thread = Thread(target=self._work, args=(crew,), name=f"conversation-{group.key}", daemon=True)
                crew.threads.add(thread)
                thread.start()

    def withdraw(self) -> list[DeliveryGroup]:
        """Remove and return the groups that no thread has started."""
        taken: list[DeliveryGroup] = []
        for crew in self._crews.values():
            with crew.condition:
                taken += [group for _, group in crew.jobs.withdraw()]
        return taken

    def close(self, deadline: float) -> None:
        """Deny every permit, start no conversation, and wait for the threads until `deadline` (monotonic seconds)."""
        self._is_closed = True
        for ask in list(self._unanswered):
            ask.answer(())
        threads: list[Thread] = []
        for crew in self._crews.values():
            with crew.condition:
                crew.is_closed = True
                threads += crew.threads
                crew.condition.notify_all()
        for thread in threads:
            thread.join(max(0.0, deadline - monotonic()))

    def _work(self, crew: _Crew) -> None:
        """The main function of a thread: run conversations until the queue stays empty."""
        while job := crew.take():
            self._converse(*job)
            crew.end(job[1].owner)

    def _converse(self, transport: Transport, group: DeliveryGroup) -> None:
        def before_dot(ids: Collection[UUID]) -> Collection[UUID]:
            asked = tuple(ids)
            allowed = asked if group.has_permit() and not self._is_closed else self._ask(group, asked)
            group.note_permit(asked, allowed)
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
