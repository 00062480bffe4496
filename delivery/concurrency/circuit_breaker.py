"""Circuit breakers: after several failures in a row a target gets no mail for a while, then one probe.

A breaker is *closed* (mail may be sent), *open* (no mail until a time), or *half open* (the time is over, and the
outcome of one probe decides). Breakers are kept in memory; `CircuitBreakers.exchange` shares them between processes.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from threading import Lock
from time import time

# The maximum time of a probe. After it another probe may start, since the first may have died with its worker.
PROBE_TIME = timedelta(seconds=60)
MAX_BREAKERS = 20_000
MAX_REASON = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerPolicy:
    """The number of failures that open a breaker, and the wait, which doubles from `first_wait` to `most_wait`."""

    failures: int = 3
    first_wait: timedelta = timedelta(seconds=5)
    most_wait: timedelta = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenBreaker:
    """An open breaker. `until` is in seconds since the epoch, valid in all processes; `open_count` starts at 1.

    With `is_probed` a probe is in flight, and `until` is its deadline.
    """

    until: float
    reason: str
    open_count: int = 1
    is_probed: bool = False


class CircuitBreakers:
    """The breakers of a process, by key. Thread-safe and non-blocking."""

    def __init__(self, breaker_policy: BreakerPolicy = BreakerPolicy(), clock: Callable[[], float] = time) -> None:
        self._tripping = breaker_policy
        self._clock = clock
        self._lock = Lock()
        self._open: dict[str, OpenBreaker] = {}
        self._failures: OrderedDict[str, int] = OrderedDict()
        self._changes: dict[str, OpenBreaker | None] = {}

    def find_open(self, key: str) -> OpenBreaker | None:
        """The open breaker; None when it is closed or a probe may start."""
        found = self._open.get(key)
        return found if found is not None and self._is_waiting(found) else None

    def find_tripped(self, key: str) -> OpenBreaker | None:
        """The open or half-open breaker; None when it is closed."""
        return self._open.get(key)

    def list_tripped(self) -> list[str]:
        """The keys of the breakers that are open or half-open."""
        return list(self._open)

    def may_try(self, key: str) -> bool:
        """Whether a mail may be tried now. True for a half-open breaker starts a probe: report its outcome."""
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
        """Record a response and close the breaker."""
        if key not in self._open and key not in self._failures:
            return
        with self._lock:
            self._failures.pop(key, None)
            if self._open.pop(key, None) is not None:
                self._changes[key] = None

    def reset(self, key: str) -> None:
        """Close the breaker in all processes, after a person has fixed the fault."""
        with self._lock:
            self._failures.pop(key, None)
            self._open.pop(key, None)
            self._changes[key] = None

    def note_failure(self, key: str, reason: str) -> None:
        """Record a missing or unusable response. Enough of them in a row open the breaker."""
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
                return  # a failure of a mail that was in flight when the breaker opened
            trip_count = found.open_count + 1 if found else 1
            wait = self._find_wait(trip_count)
            self._set(key, OpenBreaker(until=self._clock() + wait, reason=reason[:MAX_REASON], open_count=trip_count))

    def exchange(self, others: Mapping[str, OpenBreaker]) -> Mapping[str, OpenBreaker | None]:
        """Adopt the open breakers of other processes; return local changes since the last call (None: closed)."""
        with self._lock:
            changes, self._changes = self._changes, {}
            # A breaker from elsewhere stays open while the others report it; the others do not know local changes yet.
            self._open = {**others, **{key: state for key, state in changes.items() if state is not None}}
            for key, state in changes.items():
                if state is None:
                    self._open.pop(key, None)
            return changes

    def put_back(self, changes: Mapping[str, OpenBreaker | None]) -> None:
        """Keep changes that could not be published for the next exchange."""
        with self._lock:
            self._changes = {**changes, **self._changes}

    def _set(self, key: str, state: OpenBreaker) -> None:
        self._open[key] = state
        self._changes[key] = state

    def _is_waiting(self, state: OpenBreaker) -> bool:
        """Whether the wait is not over. A wait beyond the maximum is ignored: the clock was set back."""
        longest = max(self._tripping.most_wait, PROBE_TIME).total_seconds()
        return 0 < state.until - self._clock() <= longest

    def _find_wait(self, trip_count: int) -> float:
        doubled = self._tripping.first_wait * (1 << min(trip_count - 1, 20))
        return min(doubled, self._tripping.most_wait).total_seconds()
