"""Each worker's own timer: mail is sent, and lost leases are found, even if beat is dead and wake-ups are lost."""

import threading
import time
from collections.abc import Callable

import redis
import structlog
from django.conf import settings
from django.core.cache import cache
from django.db import InterfaceError, OperationalError, connection

log = structlog.get_logger(__name__)

# The Unix time of a worker's last tick, for /readyz and queue_status.
TICK_KEY = "ledger:tick"
# Errors of an absent server; one of the next ticks finds it again.
AWAY = (redis.RedisError, OperationalError, InterfaceError, OSError)


class Timer:
    """Calls `tick` every `settings.TICK_TIME` in a daemon thread, and survives its errors.

    An outage of the database or of Redis is logged once at its start and once at its end.
    """

    _thread: threading.Thread

    def __init__(self, tick: Callable[[], None]) -> None:
        self._tick = tick
        self._stop = threading.Event()
        self._outage = ""

    def start(self) -> None:
        # Made here: Python 3.13 takes a thread that was made before a fork for one that has run.
        self._thread = threading.Thread(target=self._run, name="timer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.wait(settings.TICK_TIME.total_seconds()):
            try:
                self._tick()
                cache.set(TICK_KEY, time.time(), timeout=None)
                self._note_outage("")
            except AWAY as error:
                self._note_outage(type(error).__name__)
            except Exception:  # a timer that stops at the first fault would delay all mail
                log.exception("tick_failed")
            finally:
                # The worker forks children from this process: none may inherit a connection in use.
                connection.close()

    def _note_outage(self, error: str) -> None:
        """One log line at the start of an outage and one at its end: it may last for hours, with a tick each second."""
        if error and not self._outage:
            log.warning("tick_failed", error=error)
        elif self._outage and not error:
            log.warning("tick_succeeds_again", was=self._outage)
        self._outage = error


def read_worker_age() -> float | None:
    """The number of seconds since a worker's last tick; None if there was none, or if Redis is unavailable."""
    try:
        ticked_at = cache.get(TICK_KEY)
    except (redis.RedisError, OSError):
        return None
    return None if ticked_at is None else max(time.time() - float(ticked_at), 0.0)
