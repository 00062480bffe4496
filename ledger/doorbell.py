"""Wake-ups for workers. A lost, doubled or late one changes nothing: the rows are the queue, and timers help."""

import threading
import time
from queue import SimpleQueue
from typing import Any

import redis
import structlog
from celery import Task
from django.conf import settings
from kombu.exceptions import OperationalError

from ledger.limits import WorkKind, find_kind
from ledger.redis_state import TIMEOUT_SECONDS, Script, open_client
from ledger.telemetry.families import WAKE_UPS_FAILED

log = structlog.get_logger(__name__)

# After a failed wake-up no caller waits for the absent broker: one caller per this many seconds tries again.
PAUSE_SECONDS = 5.0
# A wake-up that no worker has taken within this time is presumed lost, and the next one is sent.
PENDING_MS = 1000
# After a wake-up by a web process, all those that its requests ask for within this time are one, at its end: under load
# most requests then do without Redis. It is short beside the time in which a worker is awake.
GATHER_SECONDS = 0.01
# KEYS: the bell. ARGV: PENDING_MS. Returns whether no wake-up is pending; now one is.
_RING = Script("return redis.call('SET', KEYS[1], 1, 'NX', 'PX', ARGV[1]) and 1 or 0")


class Doorbell:
    """Wakes workers, at most once per lane until a worker has answered, without blocking for long.

    `ring` never raises and never waits longer than the broker's socket timeout. A caller that has committed its rows is
    done, whether or not the wake-up arrives. In web processes a thread sends the wake-ups that were gathered. If the
    process ends meanwhile they are lost, and a tick finds the rows.
    """

    def __init__(self) -> None:
        self.failed_count = 0
        self._quiet_until = 0.0
        self._lock = threading.Lock()
        # The end of each bell's time of gathering, and whether a wake-up waits for it.
        self._gathering: dict[tuple[str, str], tuple[float, bool]] = {}
        self._gathered: SimpleQueue[tuple[float, Task[Any, Any], str, str]] = SimpleQueue()
        self._sender: threading.Thread | None = None
        # Celery's proxy of a task asks the app for each attribute.
        self._names: dict[int, tuple[Task[Any, Any], str]] = {}
        # It does not try again by itself: the next wake-up is our retry.
        self._redis = open_client(settings.REDIS_URL, TIMEOUT_SECONDS)

    def ring(self, task: Task[Any, Any], lane: str) -> None:
        """Request one run of `task` for `lane` on the queue of the same name."""
        _, name = self._names.get(id(task)) or self._names.setdefault(id(task), (task, task.name))
        if find_kind() is not WorkKind.WEB or not self._gather(task, name, lane):
            self._send(task, name, lane)

    def _gather(self, task: Task[Any, Any], name: str, lane: str) -> bool:
        """Leave the wake-up to the thread, if another one was sent just now."""
        bell, now = (name, lane), time.monotonic()
        with self._lock:
            until, is_asked = self._gathering.get(bell, (0.0, False))
            if is_asked:
                return True
            if now >= until:
                self._gathering[bell] = now + GATHER_SECONDS, False
                return False
            self._gathering[bell] = until, True
            # After a fork the thread is not alive in the child.
            if self._sender is None or not self._sender.is_alive():
                self._sender = threading.Thread(target=self._send_gathered, name="doorbell", daemon=True)
                self._sender.start()
        self._gathered.put((until, task, name, lane))
        return True

    def _send_gathered(self) -> None:
        while True:
            until, task, name, lane = self._gathered.get()
            time.sleep(max(0.0, until - time.monotonic()))
            with self._lock:
                # Before it is sent: rows that are committed from now on need another one.
                self._gathering[name, lane] = time.monotonic() + GATHER_SECONDS, False
            self._send(task, name, lane)

    def _send(self, task: Task[Any, Any], name: str, lane: str) -> None:
        if not self._may_try():
            return
        try:
            if _RING.run(self._redis, [f"bell:{name}:{lane}"], [PENDING_MS]):
                task.apply_async((lane,), queue=lane, retry=False)
        except (redis.RedisError, OperationalError, OSError) as error:
            self._note_failure(error)
        else:
            self._quiet_until = 0.0

    def answer(self, task: Task[Any, Any], lane: str) -> None:
        """Called by the worker before it looks for work, so that rows committed afterwards send a new wake-up."""
        try:
            self._redis.delete(f"bell:{task.name}:{lane}")
        except redis.RedisError as error:
            # The mark expires by itself; at worst one wake-up is late by PENDING_MS.
            log.warning("doorbell_answer_failed", error=type(error).__name__)

    def resume(self) -> None:
        """Note that the broker is back: the next wake-up is sent, whatever happened to the last one."""
        self._quiet_until = 0.0

    def _may_try(self) -> bool:
        """True, unless the broker failed lately; then true for one caller in each pause."""
        with self._lock:
            now = time.monotonic()
            if now < self._quiet_until:
                return False
            if self._quiet_until:
                self._quiet_until = now + PAUSE_SECONDS
            return True

    def _note_failure(self, error: Exception) -> None:
        with self._lock:
            self.failed_count += 1
            WAKE_UPS_FAILED.add()
            self._quiet_until = time.monotonic() + PAUSE_SECONDS
        log.warning("doorbell_failed", error=type(error).__name__, failed_count=self.failed_count)


doorbell = Doorbell()
