"""Each worker's own timer: mail is sent, and lost leases are found, even if beat is dead and wake-ups are lost.

Of all the workers one looks into the database at a time; the others look whether it still does.
"""

import math
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from uuid import uuid4

import redis
import structlog
from django.conf import settings
from django.core.cache import cache
from django.db import InterfaceError, OperationalError, connection

from ledger.limits import WorkKind, work_of
from ledger.redis_state import TIMEOUT_SECONDS, Script, open_client, shared

log = structlog.get_logger(__name__)

# The Unix time of a worker's last tick, for /readyz and queue_status.
TICK_KEY = "ledger:tick"
# The Unix time at which a worker of this name was last seen, for `ready` and `doctor`; it is told this often.
ALIVE_KEY = "ledger:alive:"
ALIVE_SECONDS = 10.0
ALIVE_FOR = 60 * 60
# Errors of an absent server; one of the next ticks finds it again.
AWAY = (redis.RedisError, OperationalError, InterfaceError, OSError)


# Which timer looks. Its turn ends when it has not renewed it for so many ticks.
TURN_KEY = "ledger:turn"
TURN_TICKS = 3
# KEYS: the turn. ARGV: a timer and the seconds of its turn. Returns 0 if it has the turn now, which is renewed, and
# otherwise the milliseconds after which the other's turn ends, if that is not renewed.
_TAKE = Script("""
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return math.max(redis.call('PTTL', KEYS[1]), 1) end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return 0
""")


class Turn:
    """The right to look for due work, which one timer of all that share our Redis has, as long as it lives."""

    def __init__(self) -> None:
        self._own = str(uuid4())
        self._redis = open_client(settings.REDIS_URL, TIMEOUT_SECONDS)

    def take(self) -> float:
        """0 if it is our turn, which is renewed; otherwise the seconds until it may be."""
        seconds = math.ceil(settings.TICK_TIME.total_seconds() * TURN_TICKS)
        return int(_TAKE.run(self._redis, [TURN_KEY], [self._own, seconds])) / 1000

    def end(self) -> None:
        """Let another timer look at once, if it is our turn."""
        if self._redis.get(TURN_KEY) == self._own:
            self._redis.delete(TURN_KEY)


class Timer:
    """Calls `tick` every `settings.TICK_TIME` in a daemon thread if it is our turn, and survives its errors.

    While it is another's turn the thread sleeps until that could end. Without Redis nobody has a turn, and every timer
    looks.
    An outage of the database or of Redis is logged once at its start and once at its end.
    """

    _thread: threading.Thread

    def __init__(self, tick: Callable[[], None]) -> None:
        self._tick = tick
        self._stop = threading.Event()
        self._outage = ""
        self._name = ""
        self._tell_at = 0.0
        self._pause = 0.0

    def start(self, name: str = "") -> None:
        """Start the thread; `name` is the worker's own, by which probes find it."""
        self._name = name
        # Made here: Python 3.13 takes a thread that was made before a fork for one that has run.
        self._thread = threading.Thread(target=self._run, name="timer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()

    def _run(self) -> None:
        # Here, not where the timer is made: processes that are forked after that would share one turn.
        turn = Turn()
        self._pause = settings.TICK_TIME.total_seconds()
        while not self._stop.wait(self._pause):
            self._pause = settings.TICK_TIME.total_seconds()
            try:
                self._look(turn)
            except AWAY as error:
                self._note_outage(type(error).__name__)
                connection.close()
            except Exception:  # a timer that stops at the first fault would delay all mail
                log.exception("tick_failed")
                connection.close()
        connection.close()
        with suppress(*AWAY):
            turn.end()

    def _look(self, turn: Turn) -> None:
        try:
            self._tell_alive()
            seconds = turn.take()
        except (redis.RedisError, OSError):
            seconds = 0.0
        if seconds:
            # Long ticks must not keep it from telling that it is alive.
            self._pause = min(seconds, max(self._pause, ALIVE_SECONDS))
            connection.close()
            return
        # The test of the connection has the limits of the tick too: to change them costs a round trip.
        with work_of(WorkKind.TICK):
            # A new connection for each tick costs PostgreSQL ten times what the look costs. The children that the
            # worker forks have the socket too, and leave it alone: psycopg closes a connection only in its own process.
            connection.close_if_unusable_or_obsolete()
            self._tick()
        cache.set(TICK_KEY, time.time(), timeout=None)
        self._note_outage("")

    def _tell_alive(self) -> None:
        if self._name and time.monotonic() >= self._tell_at:
            cache.set(f"{ALIVE_KEY}{self._name}", time.time(), timeout=ALIVE_FOR)
            self._tell_at = time.monotonic() + ALIVE_SECONDS

    def _note_outage(self, error: str) -> None:
        """One log line at the start of an outage and one at its end: it may last for hours, with a tick each second."""
        if error and not self._outage:
            log.warning("tick_failed", error=error)
        elif self._outage and not error:
            log.warning("tick_succeeds_again", was=self._outage)
        self._outage = error


def read_worker_age() -> float | None:
    """The number of seconds since a worker's last tick; None if there was none, or if Redis is unavailable."""
    return _read_age(TICK_KEY)


def read_node_age(name: str) -> float | None:
    """The number of seconds since the worker of this name was seen, to ten seconds; None as of `read_worker_age`."""
    return _read_age(f"{ALIVE_KEY}{name}")


def list_nodes() -> dict[str, float]:
    """The seconds since each worker was seen, by its name, of those of the last hour; empty if Redis is unavailable."""
    found = shared.ask(lambda client: list(client.scan_iter(match=f"*{ALIVE_KEY}*", count=1000))) or []
    names = {key.partition(ALIVE_KEY)[2] for key in found}
    return {name: age for name in names if (age := read_node_age(name)) is not None}


def _read_age(key: str) -> float | None:
    try:
        seen_at = cache.get(key)
    except (redis.RedisError, OSError):
        return None
    return None if seen_at is None else max(time.time() - float(seen_at), 0.0)
