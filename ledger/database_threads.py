"""Threads for a server in an event loop: they do its work with the database, each with a connection of its own."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Thread

from django.db import connection

Job = Callable[[], str]


class DatabaseThreads:
    """A few daemon threads: one that hangs in a dead database's socket must not keep the process alive."""

    def __init__(self, count: int, name: str, prepare: Callable[[], None] | None = None) -> None:
        """`prepare` is called in each thread before its first job."""
        self._prepare = prepare
        self._jobs: SimpleQueue[tuple[Future[str], Job] | None] = SimpleQueue()
        self._threads = [Thread(target=self._work, name=f"{name}-{n}", daemon=True) for n in range(count)]
        for thread in self._threads:
            thread.start()

    def run(self, job: Job) -> asyncio.Future[str]:
        """Run a function in one of the threads; awaitable in the running loop."""
        future: Future[str] = Future()
        self._jobs.put((future, job))
        return asyncio.wrap_future(future)

    def close(self, timeout: float) -> None:
        """End the threads and their connections, if they become idle within this many seconds."""
        for _ in self._threads:
            self._jobs.put(None)
        until = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(until - time.monotonic(), 0))

    def _work(self) -> None:
        if self._prepare:
            self._prepare()
        while (entry := self._jobs.get()) is not None:
            future, job = entry
            if future.set_running_or_notify_cancel():
                run_job(future, job)
        connection.close()


def run_job(future: Future[str], job: Job) -> None:
    try:
        future.set_result(job())
    except Exception as error:  # noqa: BLE001 (it is raised again where the result is awaited)
        future.set_exception(error)
