"""The bytes of large bodies and answers that are under way in one web process."""

import threading
from collections import Counter

# One caller has at most this part of the budget, so that others find room beside it.
SHARE = 0.5
# All callers without a key share this part.
NAMELESS_SHARE = 0.25


class ByteBudget:
    """Bytes taken by caller. A caller is named by its credentials, "" for all without. Safe to use from any thread."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._taken: Counter[str] = Counter()
        self._total = 0
        self._mutex = threading.Lock()

    def take(self, caller: str, count: int) -> bool:
        """Take bytes; False, and none taken, if they exceed the budget or the caller's share."""
        share = self.limit * (SHARE if caller else NAMELESS_SHARE)
        with self._mutex:
            if self._total + count > self.limit or self._taken[caller] + count > share:
                return False
            self._total += count
            self._taken[caller] += count
            return True

    def give_back(self, caller: str, count: int) -> None:
        with self._mutex:
            self._total -= count
            self._taken[caller] -= count
            if not self._taken[caller]:
                del self._taken[caller]

    @property
    def total(self) -> int:
        return self._total
