"""A transport with non-blocking conversations, so that one thread can run hundreds of them.

Threads that wait for sockets compete for the interpreter's lock at each system call: ten threads use five times as much
CPU per mail as one thread with ten conversations.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterator, Sequence
from uuid import UUID

from delivery.envelope import BeforeDot, Delivery, Reply

AsyncBeforeDot = Callable[[Collection[UUID]], Awaitable[Collection[UUID]]]
Replies = AsyncGenerator[tuple[UUID, Reply], None]


class AsyncTransport(ABC):
    """A `Transport` with an asynchronous method too."""

    @abstractmethod
    def converse(self, deliveries: Sequence[Delivery], before_dot: AsyncBeforeDot) -> Replies:
        """One conversation, with the promises of `transmit`. Closing it closes or returns its connection."""

    def transmit(self, deliveries: Sequence[Delivery], before_dot: BeforeDot) -> Iterator[tuple[UUID, Reply]]:
        """See `delivery.envelope.Transport`. Runs the conversation in this thread and blocks."""

        async def ask(ids: Collection[UUID]) -> Collection[UUID]:
            return before_dot(ids)

        return drive(self.converse(deliveries, ask))

    def tidy(self) -> bool:
        """Close expired idle connections without blocking; the result tells whether any connection is still open."""
        return False

    @abstractmethod
    def close(self) -> None:
        """End all kept-open connections."""


def drive(replies: Replies) -> Iterator[tuple[UUID, Reply]]:
    """Yield the items of `replies`, run by an event loop in this thread."""

    async def find_next() -> tuple[UUID, Reply] | None:
        return await anext(replies, None)

    with asyncio.Runner() as runner:
        try:
            while (said := runner.run(find_next())) is not None:
                yield said
        finally:
            runner.run(replies.aclose())
