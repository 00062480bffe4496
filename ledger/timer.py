"""A worker's own clock: mail goes out, and lost leases are found, with beat dead and wake-ups lost."""

import threading
import time
from collections.abc import Callable

import redis
import structlog
from django.conf import settings
from django.core.cache import cache
from django.db import InterfaceError, OperationalError, connection

log = structlog.get_logger(__name__)

# When a worker last ticked, as a Unix time: what /readyz and queue_status look at.
TICK_KEY = "ledger:tick"
# A server that is away: the next tick, or the one after it, finds it again.
AWAY = (redis.RedisError, OperationalError, InterfaceError, OSError)


class Timer:
    """Calls `tick` every `settings.TICK_TIME` in a daemon thread, whatever it raises.

    An outage of the database or of Redis is told once, and once more when it is over.
    """

    def __init__(self, tick: Callable[[], None]) -> None:
        self._tick = tick
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="timer", daemon=True)
        self._outage = ""

    def start(self) -> None:
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
            except Exception:  # a clock that stops at the first fault would delay all mail
                log.exception("tick_failed")
            finally:
                # The worker forks children from this process: none may inherit a connection in use.
                connection.close()

    def _note_outage(self, error: str) -> None:
        """One line when an outage begins, and one when it ends: it may last for hours, with a tick each second."""
        if error and not self._outage:
            log.warning("tick_failed", error=error)
        elif self._outage and not error:
            log.warning("tick_succeeds_again", was=self._outage)
        self._outage = error


def read_worker_age() -> float | None:
    """How many seconds ago a worker last ticked; None when none was seen, or when Redis cannot tell."""
    try:
        ticked_at = cache.get(TICK_KEY)
    except (redis.RedisError, OSError):
        return None
    return None if ticked_at is None else max(time.time() - float(ticked_at), 0.0)
