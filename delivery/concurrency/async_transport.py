"""A transport whose conversations never block, so that one thread holds hundreds of them.

Threads that wait for sockets fight for the interpreter's lock at each system call: ten of them cost five times as much
CPU for each mail as one thread that holds ten conversations.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterator, Sequence
from uuid import UUID

from delivery.envelope import BeforeDot, Delivery, Reply

AsyncBeforeDot = Callable[[Collection[UUID]], Awaitable[Collection[UUID]]]
Replies = AsyncGenerator[tuple[UUID, Reply], None]


class AsyncTransport(ABC):
    """A `Transport` that can be awaited too."""

    @abstractmethod
    def converse(self, deliveries: Sequence[Delivery], before_dot: AsyncBeforeDot) -> Replies:
        """One conversation, which promises what `transmit` does. Closing it drops or gives back its connection."""

    def transmit(self, deliveries: Sequence[Delivery], before_dot: BeforeDot) -> Iterator[tuple[UUID, Reply]]:
        """See `delivery.envelope.Transport`. Runs the conversation in this thread, blocking."""

        async def ask(ids: Collection[UUID]) -> Collection[UUID]:
            return before_dot(ids)

        return drive(self.converse(deliveries, ask))

    def tidy(self) -> bool:
        """Close what was kept open for too long; whether anything is still kept. Does not block."""
        return False

    @abstractmethod
    def close(self) -> None:
        """End all kept-open connections."""


def drive(replies: Replies) -> Iterator[tuple[UUID, Reply]]:
    """What `replies` yields, in an event loop of this thread's own."""

    async def find_next() -> tuple[UUID, Reply] | None:
        return await anext(replies, None)

    with asyncio.Runner() as runner:
        try:
            while (said := runner.run(find_next())) is not None:
                yield said
        finally:
            runner.run(replies.aclose())
