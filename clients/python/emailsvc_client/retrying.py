"""When a call is tried again, and after how long."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
from emailsvc_client.calls import Call
from emailsvc_client.errors import ApiError, UnreachableError, read_error

# The service stored nothing: any call may be tried again.
REFUSED_FOR_NOW = frozenset({429, 503})
# Something between has failed: only what is harmless when it is done twice is tried again.
UNKNOWN = frozenset({500, 502, 504})
IN_FLIGHT = "idempotency_in_flight"
# No connection was made, so the service has not seen the request.
NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
FIRST_WAIT = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """At most `max_attempts`; a wait that would last longer than `max_wait` seconds ends the call instead."""

    max_attempts: int = 5
    max_wait: float = 30.0
    # From 0 to 1: clients that failed together do not come back together.
    jitter: Callable[[], float] = random.random


@dataclass(slots=True)
class Attempts:
    """The attempts of one call. Each outcome gives the seconds to wait before the next one, or ends the call."""

    call: Call[Any]
    policy: RetryPolicy
    count: int = field(default=0)

    def after_answer(self, response: httpx.Response) -> float | None:
        """None if the answer is good. Raises ApiError if it is final."""
        if response.status_code < 300:
            return None
        error = read_error(response)
        wait = self._next_wait(error.retry_after)
        if wait is None or not self._may_repeat(error):
            raise error
        return wait

    def after_error(self, error: httpx.TransportError) -> float:
        """Raises UnreachableError if that was the last attempt."""
        wait = self._next_wait(None)
        if wait is None or not (self.call.is_repeatable or isinstance(error, NEVER_SENT)):
            raise UnreachableError(f"{type(error).__name__}: {error}") from error
        return wait

    def _may_repeat(self, error: ApiError) -> bool:
        if error.status in REFUSED_FOR_NOW or error.code == IN_FLIGHT:
            return True
        return error.status in UNKNOWN and self.call.is_repeatable

    def _next_wait(self, asked: float | None) -> float | None:
        self.count += 1
        if self.count >= self.policy.max_attempts or (asked or 0) > self.policy.max_wait:
            return None
        ours: float = FIRST_WAIT * 2 ** (self.count - 1) * (0.5 + self.policy.jitter() / 2)
        return min(max(ours, asked or 0), self.policy.max_wait)
