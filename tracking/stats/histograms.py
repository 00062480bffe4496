"""Durations in slots that grow by a tenth: histograms that add up, and percentiles that are right to 5 %."""

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from math import log

GROWTH = 1.1
_LOG_GROWTH = log(GROWTH)
# Below a millisecond all is one slot; a year is slot 254.
_UNIT_SECONDS = 0.001

Histogram = Counter[int]


def find_slot(duration: timedelta) -> int:
    """The slot of a duration; what two clocks made negative is 0."""
    units = duration.total_seconds() / _UNIT_SECONDS
    return 0 if units < 1 else 1 + int(log(units) / _LOG_GROWTH)


def find_percentile(histogram: Mapping[int, int], share: float) -> float | None:
    """The seconds that `share` (0 to 1) of the durations do not exceed, from the middle of its slot; None of none."""
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
