"""Awaitables for conversations: a socket, a deadline, and a blocking call."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from threading import Thread, local
from typing import Any, TypeVar

T = TypeVar("T")
Wait = asyncio.Future[None]


class Deadlines:
    """The deadlines of the waits in one event loop. Nearly all waits end long before theirs, so that one timer, for the
    earliest, is cheaper than one for each.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._waits: dict[Wait, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = float("inf")

    def add(self, wait: Wait, deadline: float) -> None:
        """End `wait` at its deadline (monotonic seconds), unless it is over or removed before."""
        self._waits[wait] = deadline
        if deadline < self._timer_at:
            self._set_timer(deadline)

    def remove(self, wait: Wait) -> None:
        """The wait is over. The timer stays, and finds nothing to do."""
        self._waits.pop(wait, None)

    def _set_timer(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_at = self.loop.call_at(at, self._end_late), at

    def _end_late(self) -> None:
        self._timer, self._timer_at = None, float("inf")
        now = self.loop.time()
        for wait, deadline in self._waits.items():
            if deadline <= now:
                _settle(wait)
        later = [deadline for deadline in self._waits.values() if deadline > now]
        if later:
            self._set_timer(min(later))


_own = local()


def find_deadlines(loop: asyncio.AbstractEventLoop) -> Deadlines:
    """Those of the running loop, of which a thread has one at a time."""
    found: Deadlines | None = getattr(_own, "deadlines", None)
    if found is None or found.loop is not loop:
        found = _own.deadlines = Deadlines(loop)
    return found


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
