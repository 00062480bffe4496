"""A conversation as a generator: it never blocks, it says what it waits for, and a driver lets it go on.

So one thread can hold hundreds of conversations (`conversation_loop`), and the same code runs in a thread of its own
where that is wanted (`drive`). Threads that wait for sockets fight for the interpreter's lock at each system call: ten
of them cost five times as much CPU for each mail as one thread that holds ten conversations.
"""

import select
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, suppress
from functools import partial
from time import monotonic
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from delivery.envelope import BeforeDot, Delivery, Reply

T = TypeVar("T")


class Wait(NamedTuple):
    """Go on when the socket is ready or `deadline` (monotonic seconds) has passed. Whoever waits looks which it was."""

    fileno: int
    is_write: bool
    deadline: float


class Call(NamedTuple):
    """Go on with the result of `function`, which may block (a look-up). Its exception is raised in the conversation."""

    function: Callable[[], Any]


class Question(NamedTuple):
    """May the final dot be sent for these? Go on with the ids that are allowed."""

    ids: tuple[UUID, ...]


class Said(NamedTuple):
    """The reply for one delivery. Go on at once."""

    recipient_id: UUID
    reply: Reply


Step = Wait | Call | Question | Said
# A part of a conversation, and what it comes to; and one that does nothing but wait.
Steps = Generator[Step, Any, T]
Waits = Generator[Wait, Any, T]


class SteppedTransport(ABC):
    """A `Transport` whose conversations can be driven step by step too."""

    @abstractmethod
    def converse(self, deliveries: Sequence[Delivery]) -> Steps[None]:
        """One conversation, which promises what `transmit` does. Closing it drops its connection."""

    def transmit(self, deliveries: Sequence[Delivery], before_dot: BeforeDot) -> Iterator[tuple[UUID, Reply]]:
        """See `delivery.envelope.Transport`."""
        return drive(self.converse(deliveries), before_dot)

    def tidy(self) -> bool:
        """Close what was kept open for too long; whether anything is still kept. Does not block."""
        return False

    @abstractmethod
    def close(self) -> None:
        """End all kept-open connections."""


def drive(conversation: Steps[None], before_dot: BeforeDot) -> Iterator[tuple[UUID, Reply]]:
    """Run `conversation` in this thread, blocking."""
    with closing(conversation), suppress(StopIteration):
        step = next(conversation)
        while True:
            if isinstance(step, Said):
                yield step.recipient_id, step.reply
            step = perform(step, conversation, before_dot)


def perform(step: Step, conversation: Steps[None], before_dot: BeforeDot) -> Step:
    """Do what `step` waits for, and go on to the next one. Raises StopIteration at the end."""
    if isinstance(step, Call):
        try:
            result = step.function()
        except Exception as error:  # noqa: BLE001 - it is the conversation's to handle
            return conversation.throw(error)
        return conversation.send(result)
    if isinstance(step, Question):
        return conversation.send(before_dot(step.ids))
    if isinstance(step, Wait):
        wait(step)
    return next(conversation)


def run_waits(steps: Waits[T]) -> T:
    """Run steps that do nothing but wait, in this thread, blocking; their result."""
    result: T
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            result = end.value
            return result
        wait(step)


def run_steps(steps: Steps[T]) -> T:
    """Run steps that ask for no grant and say nothing, in this thread, blocking; their result."""
    result: T
    go_on: Callable[[], Step] = partial(next, steps)
    while True:
        try:
            step = go_on()
        except StopIteration as end:
            result = end.value
            return result
        if isinstance(step, Call):
            go_on = _call(step, steps)
        else:
            assert isinstance(step, Wait)
            wait(step)
            go_on = partial(next, steps)


def _call(step: Call, steps: Steps[T]) -> Callable[[], Step]:
    try:
        return partial(steps.send, step.function())
    except Exception as error:  # noqa: BLE001 - it is the conversation's to handle
        return partial(steps.throw, error)


def wait(step: Wait) -> None:
    """Block until a socket is ready, or its deadline."""
    poll = select.poll()
    poll.register(step.fileno, select.POLLOUT if step.is_write else select.POLLIN)
    poll.poll(max(0.0, step.deadline - monotonic()) * 1000)
