"""The threads that commit received mail, each with its own database connection."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Thread

import structlog
from django.db import Error, close_old_connections, connection

from inbox.services import Received, prune_mail, store_mail

THREAD_COUNT = 4
STORED = "250 2.0.0 Stored"
NOT_STORED = "451 4.3.0 The inbox cannot reach its database, try again later"

log = structlog.get_logger(__name__)


class StoreThreads:
    """A few daemon threads: one that hangs in a dead database's socket must not keep the process alive."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[tuple[Future[str], Callable[[], str]] | None] = SimpleQueue()
        self._threads = [Thread(target=self._work, name=f"inbox-store-{n}", daemon=True) for n in range(THREAD_COUNT)]
        for thread in self._threads:
            thread.start()

    def run(self, job: Callable[[], str]) -> asyncio.Future[str]:
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
        bind_on_the_server()
        while (entry := self._jobs.get()) is not None:
            future, job = entry
            if future.set_running_or_notify_cancel():
                run_job(future, job)
        connection.close()


def bind_on_the_server() -> None:
    """Let this thread's connection send values as bytes beside the statement, not as text within it.

    Storing 40 MiB then takes a third of the time, and 270 MiB less memory (measured).
    """
    given = connection.settings_dict
    connection.settings_dict = {**given, "OPTIONS": {**given["OPTIONS"], "server_side_binding": True}}


def run_job(future: Future[str], job: Callable[[], str]) -> None:
    try:
        future.set_result(job())
    except Exception as error:  # noqa: BLE001 (it is raised again where the result is awaited)
        future.set_exception(error)


def store_received(content: bytes, envelope: tuple[str, list[str], str]) -> str:
    """Commit one message; the SMTP reply. `envelope` is sender, recipients, client's address."""
    mail_from, rcpt_to, remote_host = envelope
    close_old_connections()
    try:
        mail_id = store_mail(Received(mail_from=mail_from, rcpt_to=rcpt_to, content=content, remote_host=remote_host))
    except Error as error:
        log.warning("inbox_store_failed", error=type(error).__name__)
        connection.close()
        return NOT_STORED
    log.debug("inbox_mail_stored", mail_id=str(mail_id), size=len(content), recipient_count=len(rcpt_to))
    return STORED


def prune() -> str:
    """Delete the oldest mail; the next call makes up for a failure."""
    close_old_connections()
    try:
        count = prune_mail()
    except Error as error:
        log.warning("inbox_prune_failed", error=type(error).__name__)
        connection.close()
        return ""
    return f"{count} pruned"
