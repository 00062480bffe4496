"""State that processes share through Redis. While it is unavailable each uses its own state, without waiting."""

import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import redis
import structlog
from django.conf import settings

from delivery.broker_tls import redis_tls

log = structlog.get_logger(__name__)
T = TypeVar("T")

# The pause after a failure: while Redis hangs, each call would otherwise wait for the socket's timeout.
PAUSE_SECONDS = 5.0
TIMEOUT_SECONDS = 0.3


class Shared:
    """A Redis client that never raises and has a short timeout. Safe for threads and for forked children."""

    def __init__(self) -> None:
        self._redis: redis.Redis = redis.Redis.from_url(
            settings.REDIS_URL,
            socket_timeout=TIMEOUT_SECONDS,
            socket_connect_timeout=TIMEOUT_SECONDS,
            decode_responses=True,
            **redis_tls(settings.REDIS_URL),
        )
        self._quiet_until = 0.0
        self._lock = threading.Lock()

    def ask(self, question: Callable[[Any], T]) -> T | None:
        """The result of `question(client)`; None while Redis is unavailable."""
        if time.monotonic() < self._quiet_until:
            return None
        try:
            return question(self._redis)
        except (redis.RedisError, OSError) as error:
            with self._lock:
                self._quiet_until = time.monotonic() + PAUSE_SECONDS
            log.warning("shared_memory_away", error=type(error).__name__)
            return None


shared = Shared()
