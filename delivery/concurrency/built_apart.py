"""Transports that are built in a thread of their own, so that a build that hangs holds up its own mail only.

Building reads files (certificate authorities) and loads libraries; the thread that owns the database does neither.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as WaitedTooLongError
from contextlib import aclosing
from threading import Thread
from time import monotonic
from typing import Generic, TypeVar
from uuid import UUID

from delivery.concurrency.async_transport import AsyncBeforeDot, AsyncTransport, Replies, Talk
from delivery.envelope import BeforeDot, Delivery, Outcome, Reply, Stage, Transport
from delivery.judging.terms import About

BUILD_SECONDS = 10.0
T = TypeVar("T", bound=Transport)


class Build(Generic[T]):
    """One build: it begins at once, and is given up after BUILD_SECONDS. What comes later is closed."""

    def __init__(self, build: Callable[[], T]) -> None:
        self._future: Future[T] = Future()
        self._deadline = monotonic() + BUILD_SECONDS
        self._is_closed = False
        Thread(target=self._run, args=(build,), name="build-transport", daemon=True).start()

    def _run(self, build: Callable[[], T]) -> None:
        try:
            self._future.set_result(build())
        except Exception as error:  # noqa: BLE001 - whoever waits for the result gets it
            self._future.set_exception(error)
        if self._is_closed:
            self.close()

    @property
    def built(self) -> T | None:
        """The transport, once it is built."""
        is_built = self._future.done() and self._future.exception() is None
        return self._future.result() if is_built else None

    def find(self) -> T | Reply:
        """The transport, or the reply for its mail. Blocks until the deadline."""
        try:
            return self._future.result(max(0.0, self._deadline - monotonic()))
        except Exception as error:  # noqa: BLE001 - of any kind, as the build raised it
            return explain_unbuilt(error)

    async def find_soon(self) -> T | Reply:
        """As `find`, for conversations that share a thread."""
        waiting = asyncio.shield(asyncio.wrap_future(self._future))
        try:
            return await asyncio.wait_for(waiting, max(0.0, self._deadline - monotonic()))
        except Exception as error:  # noqa: BLE001 - see `find`
            return explain_unbuilt(error)

    def close(self) -> None:
        """Close the transport, now or when it is built."""
        self._is_closed = True
        if (built := self.built) is not None:
            built.close()


def explain_unbuilt(error: Exception) -> Reply:
    """The reply for mail of a provider that cannot be used: it pauses the provider, and mail is deferred."""
    if isinstance(error, WaitedTooLongError):
        why = f"it could not be set up within {BUILD_SECONDS:.0f} seconds"
    else:
        why = str(error) or type(error).__name__
    return Reply(
        outcome=Outcome.DEFERRED,
        stage=Stage.CONNECT,
        text=f"the provider is misconfigured: {why}",
        about=About.PROVIDER,
        is_for_good=True,
    )


class _TalkApart(Talk):
    """Talks by a transport as soon as it is built."""

    def __init__(self, build: Build[AsyncTransport]) -> None:
        self._build = build
        self._talk: Talk | None = None

    async def hand_over(self, delivery: Delivery, before_dot: AsyncBeforeDot) -> Reply | None:
        if self._talk is None:
            found = self._build.built or await self._build.find_soon()
            if isinstance(found, Reply):
                return found
            self._talk = found.begin()
        return await self._talk.hand_over(delivery, before_dot)

    def end(self) -> None:
        if self._talk is not None:
            self._talk.end()


class AsyncBuiltApart(AsyncTransport):
    """An asynchronous transport that is built apart."""

    def __init__(self, build: Callable[[], AsyncTransport]) -> None:
        self._build = Build(build)

    async def converse(self, deliveries: Sequence[Delivery], before_dot: AsyncBeforeDot) -> Replies:
        found = self._build.built or await self._build.find_soon()
        if isinstance(found, Reply):
            for delivery in deliveries:
                yield delivery.recipient_id, found
            return
        async with aclosing(found.converse(deliveries, before_dot)) as replies:
            async for each in replies:
                yield each

    def begin(self) -> Talk:
        """See `AsyncTransport`."""
        built = self._build.built
        return built.begin() if built is not None else _TalkApart(self._build)

    def tidy(self) -> bool:
        """See `AsyncTransport`."""
        built = self._build.built
        return built is not None and built.tidy()

    def close(self) -> None:
        """Close it, now or when it is built."""
        self._build.close()


class BuiltApart:
    """A blocking transport that is built apart."""

    def __init__(self, build: Callable[[], Transport]) -> None:
        self._build = Build(build)

    def transmit(self, deliveries: Sequence[Delivery], before_dot: BeforeDot) -> Iterator[tuple[UUID, Reply]]:
        """See `delivery.envelope.Transport`."""
        found = self._build.find()
        if isinstance(found, Reply):
            return iter([(delivery.recipient_id, found) for delivery in deliveries])
        return iter(found.transmit(deliveries, before_dot))

    def close(self) -> None:
        """Close it, now or when it is built."""
        self._build.close()
