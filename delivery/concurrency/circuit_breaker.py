"""Circuit breakers: who fails several times in a row is left alone for a while, then tried with one mail.

A circuit is *closed* (all is well), *open* (nothing is tried until a time), or *half open* (the time is over: one probe
is under way, whose outcome decides). They are kept in memory; `Sharing` lets processes know of each other's.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from threading import Lock
from time import time

# How long a probe may take before another one is let through: it may have died with its worker.
PROBE_TIME = timedelta(seconds=60)
MAX_BREAKERS = 20_000
MAX_REASON = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerPolicy:
    """When a circuit opens, and for how long: the first time, and at most, for the time doubles."""

    failures: int = 3
    first_wait: timedelta = timedelta(seconds=5)
    most_wait: timedelta = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenBreaker:
    """An open circuit. `until` is seconds since the epoch, since processes tell each other; `open_count` from 1.

    `is_probed` tells that one mail is under way, and until when it is waited for.
    """

    until: float
    reason: str
    open_count: int = 1
    is_probed: bool = False


class CircuitBreakers:
    """The circuits of a process, by key. Safe for threads, and never slow."""

    def __init__(self, breaker_policy: BreakerPolicy = BreakerPolicy(), clock: Callable[[], float] = time) -> None:
        self._tripping = breaker_policy
        self._clock = clock
        self._lock = Lock()
        self._open: dict[str, OpenBreaker] = {}
        self._failures: OrderedDict[str, int] = OrderedDict()
        self._changes: dict[str, OpenBreaker | None] = {}

    def find_open(self, key: str) -> OpenBreaker | None:
        """The open circuit, None when it is closed or may be probed."""
        found = self._open.get(key)
        return found if found is not None and self._is_waiting(found) else None

    def find_tripped(self, key: str) -> OpenBreaker | None:
        """The circuit whether it waits or may be probed; None when it is closed."""
        return self._open.get(key)

    def may_try(self, key: str) -> bool:
        """Whether a mail may be tried now. True for a half-open circuit takes its probe: the caller has to report."""
        if key not in self._open:
            return True
        with self._lock:
            found = self._open.get(key)
            if found is None:
                return True
            if self._is_waiting(found):
                return False
            self._set(key, replace(found, until=self._clock() + PROBE_TIME.total_seconds(), is_probed=True))
            return True

    def note_success(self, key: str) -> None:
        """It answered: the circuit is closed."""
        if key not in self._open and key not in self._failures:
            return
        with self._lock:
            self._failures.pop(key, None)
            if self._open.pop(key, None) is not None:
                self._changes[key] = None

    def reset(self, key: str) -> None:
        """Close the circuit here and everywhere: somebody has seen to what was wrong."""
        with self._lock:
            self._failures.pop(key, None)
            self._open.pop(key, None)
            self._changes[key] = None

    def note_failure(self, key: str, reason: str) -> None:
        """It did not answer, or not so that it can be used. Enough of these in a row open the circuit."""
        with self._lock:
            found = self._open.get(key)
            if found is None:
                count = self._failures.pop(key, 0) + 1
                if count < self._tripping.failures:
                    self._failures[key] = count
                    while len(self._failures) > MAX_BREAKERS:
                        self._failures.popitem(last=False)
                    return
            elif not found.is_probed and self._is_waiting(found):
                return  # the rest of those that were under way when it opened
            trip_count = found.open_count + 1 if found else 1
            wait = self._find_wait(trip_count)
            self._set(key, OpenBreaker(until=self._clock() + wait, reason=reason[:MAX_REASON], open_count=trip_count))

    def exchange(self, others: Mapping[str, OpenBreaker]) -> Mapping[str, OpenBreaker | None]:
        """Learn what is open elsewhere; the answer is what has changed here since the last exchange (None: closed)."""
        with self._lock:
            changes, self._changes = self._changes, {}
            # What was learned is open as long as the others say so; what changed here is news to them.
            self._open = {**others, **{key: state for key, state in changes.items() if state is not None}}
            for key, state in changes.items():
                if state is None:
                    self._open.pop(key, None)
            return changes

    def put_back(self, changes: Mapping[str, OpenBreaker | None]) -> None:
        """The others could not be told: they are with the next exchange."""
        with self._lock:
            self._changes = {**changes, **self._changes}

    def _set(self, key: str, state: OpenBreaker) -> None:
        self._open[key] = state
        self._changes[key] = state

    def _is_waiting(self, state: OpenBreaker) -> bool:
        """Beyond the longest wait a clock was set back: then the time does not count."""
        longest = max(self._tripping.most_wait, PROBE_TIME).total_seconds()
        return 0 < state.until - self._clock() <= longest

    def _find_wait(self, trip_count: int) -> float:
        doubled = self._tripping.first_wait * (1 << min(trip_count - 1, 20))
        return min(doubled, self._tripping.most_wait).total_seconds()
