"""Samples over time as text, and whether they are flat."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

BARS = "▁▂▃▄▅▆▇█"
WIDTH = 40
# Below so many samples nothing can be said about a curve.
FEWEST = 8


@dataclass(frozen=True, kw_only=True)
class Bound:
    """How much more the last quarter may have than the second: a share of it, or `room` in the curve's own unit."""

    share: float
    room: float


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One figure of one program, in the order of time."""

    name: str
    unit: str
    values: Sequence[float]
    bound: Bound

    @property
    def growth(self) -> float:
        """How much more the middle of the last quarter is than that of the second. The first is for warming up."""
        quarter = len(self.values) // 4
        if len(self.values) < FEWEST:
            return 0.0
        return median(self.values[-quarter:]) - median(self.values[quarter : 2 * quarter])

    @property
    def allowed(self) -> float:
        quarter = len(self.values) // 4
        middle = median(self.values[quarter : 2 * quarter] or [0.0])
        return max(self.bound.room, self.bound.share * middle)

    @property
    def is_flat(self) -> bool:
        return self.growth <= self.allowed

    def as_row(self) -> str:
        """`name  ▁▂▃  least–most unit, growth of allowed: flat`."""
        least, most = (min(self.values), max(self.values)) if self.values else (0.0, 0.0)
        word = "flat" if self.is_flat else "GROWS"
        told = f"{least:.0f}–{most:.0f} {self.unit}, {self.growth:+.0f} of {self.allowed:.0f} allowed: {word}"
        return f"{self.name:<28} {draw(self.values):<{WIDTH}} {told}"


def draw(values: Sequence[float]) -> str:
    """The values as bars from 0 to the highest, at most WIDTH of them, each the highest of its share of the time."""
    if not values:
        return ""
    count = min(WIDTH, len(values))
    parts = [values[index * len(values) // count : (index + 1) * len(values) // count] for index in range(count)]
    most = max(values) or 1.0
    return "".join(BARS[min(len(BARS) - 1, int(max(part) / most * len(BARS)))] for part in parts)
