"""How many conversations a host takes at once: few at first, more while it goes well, half when it wants less."""

from collections.abc import Callable
from datetime import timedelta
from time import monotonic

# Trouble that comes at once from all conversations is one trouble.
SETTLE_SECONDS = 1.0
FIRST_REST = timedelta(seconds=2)
MOST_REST = timedelta(minutes=5)


class AdaptiveConcurrency:
    """A limit that adapts, as TCP's congestion window does (RFC 5681): it doubles with each round of answers until the
    first trouble, from then on it grows by one a round. For one thread.

    Trouble at the lowest pace means rest: nothing is to be begun for a while, which doubles each time.
    """

    __slots__ = ("_clock", "_level", "_most", "_rest", "_resting_until", "_threshold", "_troubled_at")

    def __init__(self, first: int, most: int, clock: Callable[[], float] = monotonic) -> None:
        self._level = float(min(first, most))
        self._most = most
        self._threshold = float(most)
        self._clock = clock
        self._troubled_at = float("-inf")
        self._rest = FIRST_REST
        self._resting_until = float("-inf")

    @property
    def limit(self) -> int:
        """At least 1."""
        return int(self._level)

    @property
    def rest_seconds(self) -> float:
        """How long nothing is to be begun; 0 when something may."""
        return max(0.0, self._resting_until - self._clock())

    def note_success(self) -> None:
        """The host took a mail, or said something about one."""
        self._level = min(self._most, self._level + (1 if self._level < self._threshold else 1 / self._level))
        self._rest = FIRST_REST

    def note_trouble(self, retry_after: timedelta | None = None) -> None:
        """The host wants less of us, or does not answer. `retry_after` is the rest that it asked for itself."""
        now = self._clock()
        if retry_after is not None:
            self._resting_until = max(self._resting_until, now + min(retry_after, MOST_REST).total_seconds())
        if now - self._troubled_at < SETTLE_SECONDS:
            return
        self._troubled_at = now
        if self._level < 2 and retry_after is None:
            self._resting_until = now + self._rest.total_seconds()
            self._rest = min(2 * self._rest, MOST_REST)
        self._level = self._threshold = max(1.0, self._level / 2)
