"""The figures of a run: for each row and side one value a round, their medians, and the ratios of paired rounds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

OURS = "emailsvc"
RATE = "per_second"
# The unit of each figure, and the number of decimals that are printed.
UNITS: Mapping[str, tuple[str, int]] = {
    RATE: ("/s", 0),
    "p50_ms": ("ms p50", 1),
    "p95_ms": ("ms p95", 1),
    "p99_ms": ("ms p99", 1),
    "cpu_ms": ("ms CPU each", 2),
    "postgres_ms": ("ms CPU each in PostgreSQL", 2),
    "page_ms": ("ms a page", 1),
    "claim_ms": ("ms in PostgreSQL for 100 claimed", 2),
    "seconds": ("s", 1),
    "cpu_seconds": ("CPU s", 1),
    "pss_mb": ("MB PSS", 0),
    "processes": ("processes", 0),
    "core_percent": ("% of one core", 2),
    "most_mb": ("MB at most", 0),
    "growth_mb": ("MB grown", 0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Median, least and most of a figure's rounds."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        return cls(median=median(values), least=min(values), most=max(values))


@dataclass(kw_only=True)
class Row:
    """One row of the comparison: side → figure → one value for each round. `skipped` names what is missing, and why."""

    name: str
    figures: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    def add(self, side: str, figures: Mapping[str, float | None]) -> None:
        """Append a round of a side; figures that this system cannot measure are None and left out."""
        for name, value in figures.items():
            if value is not None:
                self.figures.setdefault(side, {}).setdefault(name, []).append(value)

    def values(self, side: str, figure: str) -> Sequence[float]:
        return self.figures.get(side, {}).get(figure, ())

    def ratios(self, side: str, figure: str = RATE, ours: str = OURS) -> list[float]:
        """Ours divided by the side's, round by round; empty unless both have every round."""
        own, theirs = self.values(ours, figure), self.values(side, figure)
        return [mine / other for mine, other in zip(own, theirs, strict=True)] if len(own) == len(theirs) else []


class Board:
    """The rows of a run, in the order in which they are named first."""

    def __init__(self, names: Iterable[str]) -> None:
        self.rows = {name: Row(name=name) for name in names}

    def add(self, row: str, side: str, figures: Mapping[str, float | None]) -> None:
        if row in self.rows:
            self.rows[row].add(side, figures)

    def skip(self, row: str, side: str, why: str) -> None:
        if row in self.rows:
            self.rows[row].skipped[side] = why


def draw_row(row: Row) -> list[str]:
    """The lines of a row: each side's figures, the ratio to ours behind each peer's rate, and what was skipped."""
    lines = [row.name]
    for side, figures in row.figures.items():
        for name, values in figures.items():
            unit, decimals = UNITS[name]
            spread = Spread.of(values)
            text = (
                f"  {side:<28} {spread.median:>10,.{decimals}f}"
                f" [{spread.least:,.{decimals}f}-{spread.most:,.{decimals}f}] {unit}"
            )
            if name == RATE and side != OURS and (ratios := row.ratios(side)):
                ratio = Spread.of(ratios)
                text += f"   ours ×{ratio.median:.2f} [{ratio.least:.2f}-{ratio.most:.2f}]"
            lines.append(text)
    return [*lines, *(f"  {side:<28}    skipped: {why}" for side, why in row.skipped.items())]


def describe_row(row: Row) -> dict[str, object]:
    """The row as JSON; docs/benchmarks.md names the keys."""
    return {
        "sides": {
            side: {name: _describe(values, UNITS[name][0]) for name, values in figures.items()}
            for side, figures in row.figures.items()
        },
        "ratios": {
            side: _describe(ratios, "ours / theirs")
            for side in row.figures
            if side != OURS and (ratios := row.ratios(side))
        },
        "skipped": dict(row.skipped),
    }


def _describe(values: Sequence[float], unit: str) -> dict[str, object]:
    spread = Spread.of(values)
    return {
        "unit": unit,
        "median": spread.median,
        "min": spread.least,
        "max": spread.most,
        "rounds": list(values),
    }
