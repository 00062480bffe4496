"""Runs transports that can be driven step by step: all conversations in one thread."""

import logging
from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from functools import partial
from math import inf
from threading import Thread
from time import monotonic
from typing import Any
from uuid import UUID
from weakref import WeakSet

from delivery.concurrency.event_loop import Loop
from delivery.concurrency.protocol import Ask, Group, Word, describe_fault
from delivery.concurrency.steps import Call, Question, Said, Step, SteppedTransport, Steps, Wait

# Kept connections are looked after this often.
TIDY_SECONDS = 1.0


class _Talk:
    """One conversation."""

    __slots__ = ("group", "steps")

    def __init__(self, steps: Steps[None], group: Group) -> None:
        self.steps = steps
        self.group = group


class LoopRunner:
    """At most `limit(key)` conversations at once for each key, all in one daemon thread, made on demand. What they say
    goes to `tell`, once for each turn of the loop.
    """

    def __init__(
        self, limit: Callable[[Any], int], tell: Callable[[Sequence[Word]], None], logger: logging.Logger
    ) -> None:
        self._limit = limit
        self._tell = tell
        self._logger = logger
        self._loop = Loop()
        self._thread = Thread(target=self._loop.run, args=(self._end_turn,), name="conversations", daemon=True)
        # Shared by the owner and the loop; their single operations are atomic.
        self._queues: dict[Hashable, deque[tuple[SteppedTransport, Group]]] = {}
        self._unanswered: set[Ask] = set()
        self._is_closed = False
        # The loop's own.
        self._running: defaultdict[Hashable, int] = defaultdict(int)
        self._words: list[Word] = []
        self._transports: WeakSet[SteppedTransport] = WeakSet()
        self._thread.start()

    # The owner's side

    def submit(self, transport: SteppedTransport, group: Group) -> None:
        """Queue one conversation."""
        self._queues.setdefault(group.key, deque()).append((transport, group))
        self._loop.post(partial(self._fill, group.key))

    def withdraw(self) -> list[Group]:
        """Take back what was not begun."""
        taken: list[Group] = []
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
        self._loop.post(lambda: None)
        self._thread.join(max(0.0, deadline - monotonic()))

    # The loop's side

    def _end_turn(self) -> bool:
        """Hand over what was said in this turn; whether it was the last."""
        if self._words:
            words, self._words = self._words, []
            self._tell(words)
        if monotonic() >= self._loop.wake_at:
            self._tidy()
        return self._is_closed and not any(self._running.values())

    def _tidy(self) -> None:
        is_any_kept = False
        for transport in self._transports:
            try:
                is_any_kept |= transport.tidy()
            except Exception:
                self._logger.exception("A transport could not be tidied.")
        self._loop.wake_at = monotonic() + TIDY_SECONDS if is_any_kept else inf

    def _fill(self, key: Hashable) -> None:
        """Begin conversations, as many as the key may have."""
        queue = self._queues[key]
        while self._running[key] < self._limit(key) and not self._is_closed:
            try:
                transport, group = queue.popleft()
            except IndexError:
                return
            self._running[key] += 1
            self._transports.add(transport)
            talk = _Talk(_begin(transport, group), group)
            self._advance(talk, talk.steps.send, None)

    def _advance(self, talk: _Talk, go_on: Callable[[Any], Step], value: object) -> None:
        """Let a conversation go on until it waits for something, or ends."""
        fault: BaseException | None = None
        try:
            step = go_on(value)
            while isinstance(step, Said):
                if talk.group.is_awaited(step.recipient_id):
                    self._words.append((step.recipient_id, step.reply))
                step = next(talk.steps)
            self._await(talk, step)
            return
        except StopIteration:
            pass
        except BaseException as error:
            self._logger.exception("A transport failed.", extra={"provider": str(talk.group.key)})
            fault = error
        self._words += talk.group.close(describe_fault(fault))
        self._finish(talk)

    def _finish(self, talk: _Talk) -> None:
        key = talk.group.key
        self._running[key] -= 1
        if self._loop.wake_at == inf:
            self._loop.wake_at = monotonic() + TIDY_SECONDS
        self._loop.post(partial(self._fill, key))

    def _await(self, talk: _Talk, step: Wait | Question | Call) -> None:
        if isinstance(step, Wait):
            self._loop.when_ready(step, partial(self._advance, talk, talk.steps.send, None))
        elif isinstance(step, Question):
            self._ask(talk, step.ids)
        else:
            Thread(target=self._call, args=(talk, step), name="conversation-call", daemon=True).start()

    def _call(self, talk: _Talk, step: Call) -> None:
        """In a thread of its own."""
        try:
            result = step.function()
        except BaseException as error:  # noqa: BLE001 - it is the conversation's to handle
            self._loop.post(partial(self._advance, talk, talk.steps.throw, error))
        else:
            self._loop.post(partial(self._advance, talk, talk.steps.send, result))

    def _ask(self, talk: _Talk, ids: tuple[UUID, ...]) -> None:
        ask = Ask(talk.group.key, ids, lambda allowed: self._loop.post(partial(self._take_answer, talk, ask, allowed)))
        # In this order: whoever closes answers what it finds there, and what comes later sees that it is closed.
        self._unanswered.add(ask)
        if self._is_closed:
            ask.answer(())
        else:
            self._words.append(ask)

    def _take_answer(self, talk: _Talk, ask: Ask, allowed: tuple[UUID, ...]) -> None:
        self._unanswered.discard(ask)
        talk.group.note_answer(ask.ids, allowed)
        self._advance(talk, talk.steps.send, allowed)


def _begin(transport: SteppedTransport, group: Group) -> Steps[None]:
    """The conversation; whatever goes wrong in making it goes wrong in its first step."""
    yield from transport.converse(group.deliveries)
