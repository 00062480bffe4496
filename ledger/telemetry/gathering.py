"""Work that a process gathers and does once a second in a thread of its own, such as adding its counts to those of all.

The thread sleeps while there is nothing to do. What was gathered within the last second is lost when the process is
killed; at its orderly end `write` does it.
"""

import atexit
import os
import threading
import time
from collections.abc import Callable

import structlog
from django.db import connection

log = structlog.get_logger(__name__)

INTERVAL_SECONDS = 1.0
# After this time without work the thread gives up its connection to the database.
IDLE_SECONDS = 10.0
# Does the work; True if some is left because a server is away: it is tried again in the next second.
Part = Callable[[], bool]


class Gatherer:
    """`wake` costs next to nothing while the thread is awake. Safe for threads and for forked children."""

    # Tests call `write` themselves.
    has_thread = True

    def __init__(self) -> None:
        self._parts: list[Part] = []
        self._reset()
        os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        self.is_awake = False
        self._mutex = threading.Lock()
        self._has_work = threading.Event()
        self._thread: threading.Thread | None = None

    def register(self, part: Part) -> None:
        """Have a part done. Call it while its module is imported."""
        self._parts.append(part)

    def wake(self) -> None:
        """Ask for the work to be done within about a second."""
        if self.is_awake or not self.has_thread:
            return
        with self._mutex:
            self.is_awake = True
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="gatherer", daemon=True)
                self._thread.start()
                atexit.register(self.write)
        self._has_work.set()

    def write(self) -> bool:
        """Do all parts now. True if some work is left."""
        return sum(_run_part(part) for part in self._parts) > 0

    def _run(self) -> None:
        while True:
            if not self._has_work.wait(IDLE_SECONDS):
                connection.close()
                self._has_work.wait()
            self._has_work.clear()
            time.sleep(INTERVAL_SECONDS)
            # Before the work: what is gathered from now on asks again.
            self.is_awake = False
            if self.write():
                self.wake()


def _run_part(part: Part) -> bool:
    try:
        return part()
    except Exception:  # a part that fails must not end the others
        log.exception("gathered_work_failed")
        return False


gatherer = Gatherer()
