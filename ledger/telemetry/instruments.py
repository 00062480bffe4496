"""Counters and histograms, and what this process has counted and not written yet.

Counting takes a lock and changes a dictionary. Labels come from small sets: a family with more of them than `most` in
one process counts the rest under `other`.
"""

import os
import threading
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from ledger.telemetry.gathering import gatherer

OTHER = "other"
MOST_SERIES = 200
# The part of a series: the value of a counter, the sum of a histogram; its buckets are numbers.
VALUE, SUM = "", "sum"
Labels = tuple[str, ...]
# Family, part, labels.
SeriesKey = tuple[str, ...]
Amounts = dict[SeriesKey, float]


class Family:
    """The metrics of one name, which differ in their labels. `help` is a sentence for people."""

    kind: ClassVar[str]
    all: ClassVar[dict[str, "Family"]] = {}
    # One for all: taking it is a twentieth of a microsecond, and nobody holds it for longer than a flush.
    mutex: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, name: str, help_text: str, labels: Sequence[str] = (), *, most: int = MOST_SERIES) -> None:
        self.name = name
        self.help = help_text
        self.labels = tuple(labels)
        self._most = most
        self._known: set[Labels] = set()
        Family.all[name] = self

    def take(self) -> Iterator[tuple[SeriesKey, float]]:
        """What has been counted since the last time. The caller has the mutex."""
        return iter(())

    def put_back(self, part: str, labels: Labels, amount: float) -> None:
        """Count again what could not be written. The caller has the mutex."""

    def _admit(self, labels: Labels) -> Labels:
        """The labels to count under."""
        if labels in self._known or len(self._known) < self._most:
            self._known.add(labels)
            return labels
        return (OTHER,) * len(self.labels)


class Counter(Family):
    """Counts events. The name ends in `_total`."""

    kind = "counter"

    def __init__(self, name: str, help_text: str, labels: Sequence[str] = (), *, most: int = MOST_SERIES) -> None:
        super().__init__(name, help_text, labels, most=most)
        self._amounts: dict[Labels, float] = {}

    def add(self, *labels: str, amount: float = 1) -> None:
        with Family.mutex:
            if labels in self._amounts:
                self._amounts[labels] += amount
            else:
                self.put_back(VALUE, self._admit(labels), amount)
        if not gatherer.is_awake:
            gatherer.wake()

    def take(self) -> Iterator[tuple[SeriesKey, float]]:
        taken, self._amounts = self._amounts, {}
        return (((self.name, VALUE, *labels), amount) for labels, amount in taken.items())

    def put_back(self, _part: str, labels: Labels, amount: float) -> None:
        self._amounts[labels] = self._amounts.get(labels, 0) + amount


class Histogram(Family):
    """Counts durations by their size, in seconds. `bounds` are the inclusive upper ends of the buckets."""

    kind = "histogram"

    def __init__(
        self, name: str, help_text: str, labels: Sequence[str], *, bounds: Sequence[float], most: int = MOST_SERIES
    ) -> None:
        super().__init__(name, help_text, labels, most=most)
        self.bounds = tuple(bounds)
        self._parts = [*map(str, range(len(bounds) + 1)), SUM]
        # The counts of the buckets, and the sum behind them.
        self._amounts: dict[Labels, list[float]] = {}

    def observe(self, seconds: float, *labels: str) -> None:
        with Family.mutex:
            amounts = self._amounts.get(labels) or self._find_amounts(self._admit(labels))
            amounts[bisect_left(self.bounds, seconds)] += 1
            amounts[-1] += seconds
        if not gatherer.is_awake:
            gatherer.wake()

    def take(self) -> Iterator[tuple[SeriesKey, float]]:
        taken, self._amounts = self._amounts, {}
        for labels, amounts in taken.items():
            for part, amount in zip(self._parts, amounts, strict=True):
                if amount:
                    yield (self.name, part, *labels), amount

    def put_back(self, part: str, labels: Labels, amount: float) -> None:
        self._find_amounts(labels)[self._parts.index(part)] += amount

    def _find_amounts(self, labels: Labels) -> list[float]:
        return self._amounts.setdefault(labels, [0] * len(self._parts))


class Gauge(Family):
    """A present value, which is read when it is asked for."""

    kind = "gauge"


def take_amounts() -> Amounts:
    """What this process has counted since the last time."""
    with Family.mutex:
        return {key: amount for family in Family.all.values() for key, amount in family.take()}


def put_amounts_back(amounts: Mapping[SeriesKey, float]) -> None:
    """Count again what could not be written."""
    with Family.mutex:
        for (name, part, *labels), amount in amounts.items():
            Family.all[name].put_back(part, tuple(labels), amount)


def forget_amounts() -> None:
    """For a forked child: its parent writes what was counted before, and may have held the mutex."""
    Family.mutex = threading.Lock()
    take_amounts()


os.register_at_fork(after_in_child=forget_amounts)
