"""Wake-ups for workers. A lost, doubled or late one changes nothing: the rows are the queue, and timers help."""

import threading
import time
from typing import Any

import redis
import structlog
from celery import Task
from django.conf import settings
from kombu.exceptions import OperationalError
from redis.backoff import NoBackoff
from redis.retry import Retry

from delivery.broker_tls import redis_tls

log = structlog.get_logger(__name__)

# After a failed wake-up no caller waits for the absent broker: one caller per this many seconds tries again.
PAUSE_SECONDS = 5.0
# A wake-up that no worker has taken within this time is presumed lost, and the next one is sent.
PENDING_MS = 1000


class Doorbell:
    """Wakes workers, at most once per lane until a worker has answered, without blocking for long.

    `ring` never raises and never waits longer than the broker's socket timeout. A caller that has committed its rows is
    done, whether or not the wake-up arrives.
    """

    def __init__(self) -> None:
        self.failed_count = 0
        self._quiet_until = 0.0
        self._lock = threading.Lock()
        self._redis = redis.Redis.from_url(
            settings.REDIS_URL,
            socket_timeout=0.3,
            socket_connect_timeout=0.3,
            # The client's own retries wait for seconds; the next wake-up is our retry.
            retry=Retry(NoBackoff(), 0),
            **redis_tls(settings.REDIS_URL),
        )

    def ring(self, task: Task[Any, Any], lane: str) -> None:
        """Request one run of `task` for `lane` on the queue of the same name."""
        if not self._may_try():
            return
        try:
            if self._redis.set(f"bell:{task.name}:{lane}", 1, nx=True, px=PENDING_MS):
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
            self._quiet_until = time.monotonic() + PAUSE_SECONDS
        log.warning("doorbell_failed", error=type(error).__name__, failed_count=self.failed_count)


doorbell = Doorbell()
