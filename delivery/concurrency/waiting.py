"""Awaitables for conversations: a socket, and a blocking call."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")


async def await_socket(fileno: int, is_write: bool, deadline: float) -> None:
    """Wait until the socket is ready or `deadline` (monotonic seconds) has passed. The caller checks which of the two.

    The socket is registered for this wait only, so that an idle connection belongs to no event loop.
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
    if future.done():  # the waiter was cancelled, or the socket became ready at the deadline
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)


async def run_blocking(function: Callable[[], T]) -> T:
    """The result of `function`, which may block (a DNS query); its exception is raised here.

    It runs in its own daemon thread: the loop's executor has few threads, which slow queries would occupy, and the
    process waits for them when it ends.
    """
    loop = asyncio.get_running_loop()
    result: asyncio.Future[T] = loop.create_future()

    def work() -> None:
        try:
            settle = partial(_settle, result, function())
        except BaseException as error:  # noqa: BLE001 - the conversation handles it
            settle = partial(_settle, result, None, error)
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(settle)

    Thread(target=work, name="conversation-call", daemon=True).start()
    return await result
