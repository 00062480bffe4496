"""State that workers share through Redis. While it is unavailable each worker uses its own state, without waiting."""

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


class SharedPolicies:
    """A store of MTA-STS policies for all workers (`delivery.mx.mta_sts.PolicyStore`)."""

    def get(self, domain: str) -> str | None:
        """The stored text; None when there is none."""
        found: str | None = shared.ask(lambda client: client.get(f"mta-sts:{domain}"))
        return found

    def put(self, domain: str, text: str, seconds: float) -> None:
        """Store `text` for at most `seconds`."""
        shared.ask(lambda client: client.set(f"mta-sts:{domain}", text, ex=max(1, int(seconds))))


class SharedLogins:
    """The turns of all workers to try one provider's credentials (`delivery.smtp.credentials.LoginTurns`).

    While Redis is unavailable each worker takes its own turn. `key` changes with the provider's settings.
    """

    def __init__(self, key: str) -> None:
        self._key = f"login:{key}"

    def take(self, seconds: float) -> str | None:
        """See `LoginTurns`."""
        key, milliseconds = self._key, max(1, int(seconds * 1000))

        def claim(client: Any) -> str | None:
            if client.set(key, "", nx=True, px=milliseconds):
                return None
            found: str | None = client.get(key)
            return found or ""

        return shared.ask(claim)

    def give_back(self) -> None:
        """See `LoginTurns`."""
        shared.ask(lambda client: client.delete(self._key))

    def keep_rejection(self, text: str, seconds: float) -> None:
        """See `LoginTurns`."""
        shared.ask(lambda client: client.set(self._key, text, px=max(1, int(seconds * 1000))))
