"""Work in batches, each a transaction of its own, for a limited time."""

from collections.abc import Callable
from time import monotonic

# A tick has several parts: the first of them may not hold up the others, however much it has to do.
PART_SECONDS = 2.0


def run_batches(batch: Callable[[], int], seconds: float = PART_SECONDS) -> int:
    """Run `batch` until it returns 0 or the time is over, at least once. Returns the sum of its results."""
    count, until = 0, monotonic() + seconds
    while done := batch():
        count += done
        if monotonic() >= until:
            break
    return count
