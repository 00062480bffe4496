"""What workers tell each other through Redis. Without it each goes by what it knows itself, and nobody waits."""

import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import redis
import structlog
from django.conf import settings

log = structlog.get_logger(__name__)
T = TypeVar("T")

# After a failure nobody asks for so long: a Redis that hangs would cost each caller the socket's timeout.
PAUSE_SECONDS = 5.0
TIMEOUT_SECONDS = 0.3


class Shared:
    """A Redis client that never raises and never waits for long. Safe for threads, and for forked children."""

    def __init__(self) -> None:
        self._redis: redis.Redis = redis.Redis.from_url(
            settings.REDIS_URL,
            socket_timeout=TIMEOUT_SECONDS,
            socket_connect_timeout=TIMEOUT_SECONDS,
            decode_responses=True,
        )
        self._quiet_until = 0.0
        self._lock = threading.Lock()

    def ask(self, question: Callable[[Any], T]) -> T | None:
        """What `question(client)` answers; None while Redis is away."""
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


class SharedPolicies:
    """MTA-STS policies for all workers (`delivery.mx.mta_sts.PolicyStore`)."""

    def get(self, domain: str) -> str | None:
        """What was put there last."""
        found: str | None = shared.ask(lambda client: client.get(f"mta-sts:{domain}"))
        return found

    def put(self, domain: str, text: str, seconds: float) -> None:
        """Keep `text` for so long, at most."""
        shared.ask(lambda client: client.set(f"mta-sts:{domain}", text, ex=max(1, int(seconds))))
