"""Histograms of durations with slots that grow by 10 %: they can be added, and percentiles are exact to 5 %."""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import timedelta
from math import log

GROWTH = 1.1
_LOG_GROWTH = log(GROWTH)
# Durations below a millisecond share slot 0; a year is slot 254.
_UNIT_SECONDS = 0.001

Histogram = Counter[int]


def find_slot(duration: timedelta) -> int:
    """The slot of a duration; 0 for a negative one, which two different clocks may cause."""
    units = duration.total_seconds() / _UNIT_SECONDS
    return 0 if units < 1 else 1 + int(log(units) / _LOG_GROWTH)


def merge_histograms(stored: str) -> Histogram:
    """The sum of stored histograms, which are JSON objects with commas between them."""
    counts: defaultdict[str, int] = defaultdict(int)
    # There may be ten thousand of them: one call of the parser, and keys stay texts until the end.
    for part in json.loads(f"[{stored}]"):
        for slot, count in part.items():
            counts[slot] += count
    return Histogram({int(slot): count for slot, count in counts.items()})


def find_percentile(histogram: Mapping[int, int], share: float) -> float | None:
    """The seconds that `share` (0 to 1) of the durations do not exceed: the middle of a slot. None without any."""
    total = sum(histogram.values())
    rank = share * total
    seen = 0
    for slot in sorted(histogram):
        seen += histogram[slot]
        if seen >= rank:
            return middle_of(slot)
    return None


def middle_of(slot: int) -> float:
    """The seconds in the middle of a slot, to three digits."""
    seconds = _UNIT_SECONDS * (GROWTH ** (slot - 0.5) if slot else 0.5)
    return float(f"{seconds:.3g}")
