"""Rows that every request reads and that rarely change, such as keys and domains, cached in each process.

Triggers in the database note each change, whoever makes it: as a row in a table, and as a notification. A web process
with a connection of its own listens to the notifications, which clear its cache at once. Every other process, and every
process behind a pooler that lends a server's session for one transaction, looks at the table before it uses the cache,
at most once a second. So a revoked key or a suspended domain is refused within a second everywhere.
"""

import os
import select
import threading
import time
from collections.abc import Callable, Hashable
from typing import Any, TypeVar, cast

import psycopg
import structlog
from django.db import connection

from ledger.database.base import DatabaseWrapper
from ledger.limits import WorkKind, find_kind
from ledger.sql import execute, fetch_value

log = structlog.get_logger(__name__)
T = TypeVar("T")

CHANNEL = "emailsvc_settings"
# Schema, not code: the model is in `accounts`.
TABLE = "accounts_settingschange"
# A change's row is kept for longer than any transaction takes. Rows are counted, because an earlier change may be
# committed after a later one.
KEPT_FOR = "1 hour"
_VERSION = f"SELECT count(*) || '/' || COALESCE(sum(id), 0) FROM {TABLE}"  # noqa: S608 - a constant
_PURGE = f"DELETE FROM {TABLE} WHERE changed_at < now() - %s::interval"  # noqa: S608 - a constant

CHECK_SECONDS = 1.0
# No entry lives longer, whatever happened to the notifications.
KEEP_SECONDS = 30.0
RETRY_SECONDS = 5.0
MAX_ENTRIES = 20_000
# A server that vanished without a word is noticed within seconds.
KEEPALIVE = {"keepalives": 1, "keepalives_idle": 2, "keepalives_interval": 1, "keepalives_count": 3}


class CachedRows:
    """A cache for one process. Thread-safe; cached objects are shared by threads, which must not change them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.is_enabled = True
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: dict[Hashable, tuple[float, Any]] = {}
        # Counts the times that the cache was cleared: what was read before may be old.
        self._generation = 0
        self._version: str | None = None
        self._checked_at = float("-inf")
        self._listener: Listener | None = None

    def get(self, key: Hashable, load: Callable[[], T], *, is_fresh: bool = False) -> T:
        """The cached result of `load`, which reads rows from watched tables and nothing else.

        With `is_fresh` it is read anew: before a caller is refused because of it.
        """
        if not self.is_enabled:
            return load()
        self._check()
        now = self._clock()
        until, value = self._entries.get(key, (0.0, None))
        if now < until and not is_fresh:
            return value  # type: ignore[no-any-return]
        generation = self._generation
        loaded = load()
        with self._lock:
            if generation == self._generation:
                if len(self._entries) >= MAX_ENTRIES:
                    self._entries.clear()
                self._entries[key] = (now + KEEP_SECONDS, loaded)
        return loaded

    @property
    def mark(self) -> int | None:
        """A number that differs after every change; None while this process is not told of changes."""
        is_told = self._listener is not None and self._listener.is_live
        return self._generation if is_told and self.is_enabled else None

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._clear()

    def _clear(self) -> None:
        self._entries.clear()
        self._generation += 1

    def _check(self) -> None:
        """Clear the cache if something has changed, unless notifications tell of it."""
        if self._listener is not None and self._listener.is_live:
            return
        with self._lock:
            now = self._clock()
            if now - self._checked_at < CHECK_SECONDS:
                return
            version = fetch_value(_VERSION)
            if version != self._version:
                self._clear()
                self._version = version
            self._checked_at = now
            self._start_listener()

    def _start_listener(self) -> None:
        """Listen in this process, once; a child after a fork for itself."""
        is_started = self._listener is not None and self._listener.process == os.getpid()
        if find_kind() is WorkKind.WEB and not is_started and not cast(DatabaseWrapper, connection).is_pooled:
            self._listener = Listener(self.clear, connection.get_connection_params())
            self._listener.start()

    def stop(self) -> None:
        """End the listener, and look at the table again."""
        if self._listener is not None:
            self._listener.stop()
            self._listener = None
        self._checked_at = float("-inf")
        self.clear()


class Listener(threading.Thread):
    """A thread with a connection of its own, on which notifications come. It waits for the socket and costs nothing."""

    def __init__(self, on_change: Callable[[], None], parameters: dict[str, Any]) -> None:
        super().__init__(name="settings listener", daemon=True)
        self.process = os.getpid()
        self.is_live = False
        self._on_change = on_change
        self._parameters = {
            name: value for name, value in parameters.items() if name not in {"cursor_factory", "context"}
        }
        self._wake_read, self._wake_write = os.pipe()

    def run(self) -> None:
        is_direct = True
        while is_direct and not self._waits(None, 0):
            try:
                is_direct = self._listen()
            except psycopg.Error as error:
                log.warning("settings_listener_failed", error=type(error).__name__)
            finally:
                self.is_live = False
            if is_direct and self._waits(None, RETRY_SECONDS):
                break

    def stop(self) -> None:
        self.is_live = False
        os.write(self._wake_write, b".")
        self.join()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _listen(self) -> bool:
        """Clear the cache at each notification, until the connection ends. False behind a pooler, which brings none."""
        with psycopg.connect(**self._parameters | KEEPALIVE, autocommit=True) as line:
            row = line.execute("SELECT pg_backend_pid()").fetchone()
            if row is None or row[0] != line.info.backend_pid:
                return False
            line.execute(f"LISTEN {CHANNEL}")
            # What changed before this moment was not heard.
            self._on_change()
            self.is_live = True
            while not self._waits(line.fileno(), None):
                line.pgconn.consume_input()
                while line.pgconn.notifies():
                    self._on_change()
        return True

    def _waits(self, descriptor: int | None, seconds: float | None) -> bool:
        """Wait for `descriptor` or a time; true when this thread is to end."""
        poll = select.poll()
        poll.register(self._wake_read, select.POLLIN)
        if descriptor is not None:
            poll.register(descriptor, select.POLLIN)
        ready = poll.poll(None if seconds is None else seconds * 1000)
        return any(found == self._wake_read for found, _ in ready)


cached_rows = CachedRows()


def purge_changes() -> int:
    """Delete notes of old changes; returns their number."""
    return execute(_PURGE, [KEPT_FOR])
