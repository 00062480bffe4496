"""Waits for mail without polling: one LISTEN connection per process, shared by all waiters.

Its thread starts with the first waiter and ends, with the connection, soon after the last one has left. If NOTIFY
fails (a pooler in between, a lost connection), waiters look again after `LOOK_AGAIN`, so a lost notification only
costs time.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
from django.db import Error, connection

from inbox.services import CHANNEL, UNKNOWN

LOOK_AGAIN = 2.0  # seconds
LINGER = 3.0  # seconds that the thread outlives its last waiter: the next one usually follows at once
RECONNECT_PAUSE = 1.0  # seconds

log = structlog.get_logger(__name__)


Concerns = Callable[[str], bool]


class Watch:
    """Counts the notifications; waiters sleep until one concerns them."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._count = 0
        self._recent: deque[str] = deque(maxlen=256)
        self._waiters = 0
        self._last_left = float("-inf")
        self._is_listening = False
        self._thread: threading.Thread | None = None

    @contextmanager
    def attend(self) -> Iterator[None]:
        """Inside, notifications are counted. Entering waits, for at most a second, until the channel is open."""
        with self._changed:
            self._waiters += 1
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._listen, name="inbox-watch", daemon=True)
                self._thread.start()
            self._changed.wait_for(lambda: self._is_listening, timeout=1.0)
        try:
            yield
        finally:
            with self._changed:
                self._waiters -= 1
                self._last_left = time.monotonic()

    def count(self) -> int:
        """The number of notifications so far. Read it before looking for mail, so that none is missed in between."""
        with self._changed:
            return self._count

    def wait(self, seen: int, seconds: float, concerns: Concerns) -> int:
        """Sleep until a notification after `seen` concerns the caller, or so many seconds; returns the count.

        Without `concerns` every waiter would query the database for all other mail too.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._has_rung(seen, concerns), timeout=seconds)
            return self._count

    def _has_rung(self, seen: int, concerns: Concerns) -> bool:
        fresh = self._count - seen
        if fresh > len(self._recent):
            return True
        return any(concerns(self._recent[-place]) for place in range(1, fresh + 1))

    def close(self) -> None:
        """End the thread, unless a waiter exists. For processes that continue without the database, such as tests."""
        with self._changed:
            self._last_left = float("-inf")
            thread = self._thread
        if thread is not None:
            thread.join(timeout=5.0)

    def _listen(self) -> None:
        while True:
            try:
                self._count_rings()
            except Error as error:
                log.warning("inbox_watch_lost", error=type(error).__name__)
                time.sleep(RECONNECT_PAUSE)
            finally:
                connection.close()
            with self._changed:
                self._is_listening = False
                if not self._is_wanted():
                    self._thread = None
                    return

    def _is_wanted(self) -> bool:
        return self._waiters > 0 or time.monotonic() - self._last_left < LINGER

    def _count_rings(self) -> None:
        """Listen until there are no more waiters."""
        with connection.cursor() as cursor:
            cursor.execute(f"LISTEN {CHANNEL}")
        with self._changed:
            self._is_listening = True
        # Notifications before this moment may have been missed: let every waiter look once.
        self._ring(UNKNOWN)
        while self._is_wanted():
            with connection.wrap_database_errors:
                rings = list(connection.connection.notifies(timeout=1.0, stop_after=1))
            for ring in rings:
                self._ring(ring.payload)

    def _ring(self, payload: str) -> None:
        with self._changed:
            self._count += 1
            self._recent.append(payload)
            self._changed.notify_all()


watch = Watch()
