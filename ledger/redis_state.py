"""State that processes share through Redis. While it is unavailable each uses its own state, without waiting."""

import os
import threading
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from hashlib import sha1
from typing import Any, TypeVar

import redis
import structlog
from django.conf import settings
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError
from redis.retry import Retry

from delivery.broker_tls import redis_tls
from ledger.redis_line import RedisLine, write_words

log = structlog.get_logger(__name__)
T = TypeVar("T")

# The pause after a failure: while Redis hangs, each call would otherwise wait for the socket's timeout.
PAUSE_SECONDS = 5.0
TIMEOUT_SECONDS = 0.3


@lru_cache(maxsize=10)
def open_client(url: str, seconds: float) -> redis.Redis:
    """The process's client of the Redis at `url`, with this timeout. It tries once: its own retries would wait."""
    return redis.Redis.from_url(
        url,
        socket_timeout=seconds,
        socket_connect_timeout=seconds,
        decode_responses=True,
        retry=Retry(NoBackoff(), 0),
        **redis_tls(url),
    )


class Shared:
    """A Redis client that never raises and has a short timeout. Safe for threads and for forked children."""

    def __init__(self) -> None:
        self._redis = open_client(settings.REDIS_URL, TIMEOUT_SECONDS)
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


@lru_cache(maxsize=2000)
def write_call(head: bytes, keys: tuple[str, ...], values: tuple[str, ...]) -> bytes:
    """The command that runs a script. The same ones come again and again: a key's limits, a lane's bell."""
    words = write_words([len(keys), *keys, *values])
    return b"*%d\r\n%b%b" % (3 + len(keys) + len(values), head, words)


class _Kept(threading.local):
    """The connection of this thread, and the process and the client that it belongs to."""

    line: RedisLine
    owner: tuple[int, Any] | None = None


class Script:
    """A Lua script, which each thread runs on a connection that it keeps."""

    _kept = _Kept()

    def __init__(self, text: str) -> None:
        self._text = text
        self._head = write_words(["EVALSHA", sha1(text.encode()).hexdigest()])  # noqa: S324 - Redis names scripts so

    def run(self, client: Any, keys: Sequence[str], values: Sequence[object]) -> Any:
        """The script's result. Raises redis-py's errors; a kept connection that has ended is replaced."""
        try:
            return self._find_line(client).ask(write_call(self._head, tuple(keys), tuple(map(str, values))))
        except (NoScriptError, redis.ConnectionError):
            return client.eval(self._text, len(keys), *keys, *values)

    def _find_line(self, client: Any) -> RedisLine:
        owner = (os.getpid(), client)
        if self._kept.owner != owner:
            self._kept.line, self._kept.owner = RedisLine(client), owner
        return self._kept.line


shared = Shared()
