"""An adaptive limit on concurrent conversations with a host: it grows on success and halves on trouble (AIMD)."""

from collections.abc import Callable
from datetime import timedelta
from time import monotonic

# Reports of trouble within this time count as one, since all conversations with a host fail together.
SETTLE_SECONDS = 1.0
FIRST_REST = timedelta(seconds=2)
MOST_REST = timedelta(minutes=5)


class AdaptiveConcurrency:
    """A limit that adapts as TCP's congestion window does (RFC 5681): it doubles with each round of replies until the
    first trouble, and then grows by one per round. For use by one thread.

    Trouble at the lowest limit starts a rest, during which no conversation may start. Each rest is twice as long.
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
        """The maximum of concurrent conversations; at least 1."""
        return int(self._level)

    @property
    def rest_seconds(self) -> float:
        """The seconds until a conversation may start; 0 when one may start now."""
        return max(0.0, self._resting_until - self._clock())

    def note_success(self) -> None:
        """Record that the host accepted a mail or replied about one."""
        self._level = min(self._most, self._level + (1 if self._level < self._threshold else 1 / self._level))
        self._rest = FIRST_REST

    def note_trouble(self, retry_after: timedelta | None = None) -> None:
        """Record that the host throttles us or does not respond. `retry_after` is the rest that the host asked for."""
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
