"""What a conversation awaits: a socket, and a call that blocks."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")


async def await_socket(fileno: int, is_write: bool, deadline: float) -> None:
    """Until the socket is ready or `deadline` (monotonic seconds) has passed. The caller looks which it was.

    The socket is registered for this one wait only, so that a kept connection belongs to no event loop.
    """
    loop = asyncio.get_running_loop()
    is_over: asyncio.Future[None] = loop.create_future()
    timer = loop.call_at(deadline, _settle, is_over)
    if is_write:
        loop.add_writer(fileno, _settle, is_over)
    else:
        loop.add_reader(fileno, _settle, is_over)
    try:
        await is_over
    finally:
        timer.cancel()
        if is_write:
            loop.remove_writer(fileno)
        else:
            loop.remove_reader(fileno)


def _settle(future: "asyncio.Future[Any]", result: object = None, error: BaseException | None = None) -> None:
    if future.done():  # given up by who waited, or ready and late at once
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)


async def run_blocking(function: Callable[[], T]) -> T:
    """The result of `function`, which may block (a look-up); its exception is raised here.

    In a daemon thread of its own: the loop's executor has few threads, which slow look-ups would fill, and a process
    waits for them at its end.
    """
    loop = asyncio.get_running_loop()
    result: asyncio.Future[T] = loop.create_future()

    def work() -> None:
        try:
            settle = partial(_settle, result, function())
        except BaseException as error:  # noqa: BLE001 - it is the conversation's to handle
            settle = partial(_settle, result, None, error)
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle)

    Thread(target=work, name="conversation-call", daemon=True).start()
    return await result
