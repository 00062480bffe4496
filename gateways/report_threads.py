"""The threads that parse and record reports, each with its own database connection."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import structlog
from django.db import Error, connection

from messages.feedback.reports import ReceivedReport, receive_report

THREAD_COUNT = 4
RECORDED = "250 2.0.0 Recorded"
NOT_RECORDED = "451 4.3.0 The report could not be recorded, try again later"

log = structlog.get_logger(__name__)


class RecordThreads:
    """A few threads, so that a slow report does not delay others."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(THREAD_COUNT, thread_name_prefix="report")

    def run(self, received: ReceivedReport) -> "asyncio.Future[str]":
        """Record a report; awaitable in the running loop. Returns the SMTP status to answer."""
        return asyncio.get_running_loop().run_in_executor(self._pool, record_report, received)

    def close(self) -> None:
        """Start no further work."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def record_report(received: ReceivedReport) -> str:
    """Record a report in this thread. Mail that reports nothing about ours is accepted and dropped: its sender could do
    nothing about a rejection.
    """
    try:
        results = receive_report(received)
    except Error as error:
        log.warning("report_not_recorded", error=type(error).__name__)
        return NOT_RECORDED
    finally:
        # Reports are rare: a connection for each costs less than keeping four.
        connection.close()
    log.info("report_received", results=[result.value for result in results])
    return RECORDED
