"""A worker's own clock: mail goes out, and lost leases are found, with beat dead and wake-ups lost."""

import threading
import time
from collections.abc import Callable

import structlog
from django.conf import settings
from django.core.cache import cache
from django.db import connection

log = structlog.get_logger(__name__)

# When a worker last ticked, as a Unix time: what /readyz and queue_status look at.
TICK_KEY = "ledger:tick"


class Timer:
    """Calls `tick` every `settings.TICK_TIME` in a daemon thread, whatever it raises."""

    def __init__(self, tick: Callable[[], None]) -> None:
        self._tick = tick
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="timer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.wait(settings.TICK_TIME.total_seconds()):
            try:
                self._tick()
                cache.set(TICK_KEY, time.time(), timeout=None)
            except Exception:  # a clock that stops at the first fault would delay all mail
                log.exception("tick_failed")
            finally:
                # The worker forks children from this process: none may inherit a connection in use.
                connection.close()
