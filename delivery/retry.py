"""The retry schedule of deferred mail."""

from collections.abc import Sequence
from datetime import timedelta
from random import Random

# Jitter, so that mails that were deferred together are not retried together.
SPREAD = 0.2


def next_wait(attempt_number: int, waits: Sequence[timedelta], rng: Random) -> timedelta:
    """The wait after attempt `attempt_number` (from 1) was deferred, ±20 %. The last of `waits` repeats."""
    if attempt_number < 1:
        raise ValueError("attempts are counted from 1")
    wait = waits[min(attempt_number, len(waits)) - 1]
    return wait * rng.uniform(1 - SPREAD, 1 + SPREAD)
