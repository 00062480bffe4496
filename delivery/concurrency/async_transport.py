"""A transport with non-blocking conversations, so that one thread can run hundreds of them.

Threads that wait for sockets compete for the interpreter's lock at each system call: ten threads use five times as much
CPU per mail as one thread with ten conversations.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import aclosing
from uuid import UUID

from delivery.envelope import BeforeDot, Delivery, Reply

AsyncBeforeDot = Callable[[Collection[UUID]], Awaitable[Collection[UUID]]]
Replies = AsyncGenerator[tuple[UUID, Reply], None]


class Talk(ABC):
    """Conversations with one server, one after another. What the transport keeps open stays open between them."""

    @abstractmethod
    async def hand_over(self, delivery: Delivery, before_dot: AsyncBeforeDot) -> Reply | None:
        """The reply about one delivery, with the promises of `converse`; None when it was not ours to send any more."""

    @abstractmethod
    def end(self) -> None:
        """No more deliveries follow. Closes or returns the connection; also called after an exception."""


class AsyncTransport(ABC):
    """A `Transport` with an asynchronous method too."""

    @abstractmethod
    def converse(self, deliveries: Sequence[Delivery], before_dot: AsyncBeforeDot) -> Replies:
        """One conversation, with the promises of `transmit`. Closing it closes or returns its connection."""

    def begin(self) -> Talk:
        """Many conversations in a row. By default each of them is one of `converse`."""
        return _Separate(self)

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


class _Separate(Talk):
    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def hand_over(self, delivery: Delivery, before_dot: AsyncBeforeDot) -> Reply | None:
        reply = None
        async with aclosing(self._transport.converse([delivery], before_dot)) as replies:
            async for recipient_id, said in replies:
                if reply is None and recipient_id == delivery.recipient_id:
                    reply = said
        return reply

    def end(self) -> None:
        """Each conversation has ended by itself."""


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
