"""The figures that are wanted of each row, and the judgement that `--check` makes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench.peers.figures import OURS, RATE, Row

DEFAULTS, TUNED = "post_office, defaults", "post_office, tuned"
POSTFIX, HARAKA, WIRE = "Postfix", "Haraka", "smtp-source (wire)"
BARE_INSERT, BARE_COPY, DRF = "bare INSERT", "bare COPY", "DRF"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A bound on the median of one figure of a side, or of its paired ratio to the side `against`.

    `or_else` is another bound that is enough when this one is missed.
    """

    row: str
    figure: str = RATE
    side: str = OURS
    against: str | None = None
    at_least: float | None = None
    at_most: float | None = None
    or_else: "Wanted | None" = None

    def find(self, rows: Mapping[str, Row]) -> float | None:
        """The median that is judged; None if it was not measured."""
        row = rows.get(self.row)
        if row is None:
            return None
        values = (
            row.values(self.side, self.figure)
            if self.against is None
            else row.ratios(self.against, self.figure, self.side)
        )
        return median(values) if values else None

    def is_met(self, rows: Mapping[str, Row]) -> bool:
        found = self.find(rows)
        if found is not None and self._admits(found):
            return True
        return self.or_else is not None and self.or_else.is_met(rows)

    def _admits(self, found: float) -> bool:
        return (self.at_least is None or found >= self.at_least) and (self.at_most is None or found <= self.at_most)

    def describe(self) -> str:
        subject = f"{self.figure} of {self.side}" + (f" / {self.against}" if self.against else "")
        bounds = [f"≥ {self.at_least:g}"] if self.at_least is not None else []
        bounds += [f"≤ {self.at_most:g}"] if self.at_most is not None else []
        text = f"{subject} {' and '.join(bounds)}"
        return f"{text}, or {self.or_else.describe()}" if self.or_else else text


def against(row: str, ratios: Mapping[str, float]) -> list[Wanted]:
    """Least ratios of our rate to the peers'."""
    return [Wanted(row=row, against=side, at_least=ratio) for side, ratio in ratios.items()]


def at_most(row: str, bounds: Mapping[str, float], side: str = OURS) -> list[Wanted]:
    return [Wanted(row=row, side=side, figure=figure, at_most=bound) for figure, bound in bounds.items()]


def slower_at_most(row: str, sides: Sequence[str], figure: str, reference: str) -> list[Wanted]:
    """Sides that may take 1.5 times as long as the reference."""
    return [Wanted(row=row, side=side, figure=figure, against=reference, at_most=1.5) for side in sides]


FEW_DUE, MANY_DUE, CLOSED_PROVIDER, HELD_DOMAIN = (
    "10,000 due",
    "1 M due",
    "behind 1 M, provider closed",
    "behind 1 M, domain held",
)
FIRST_PAGE, DEEP_PAGE, SLOWEST_FILTER = "first page", "keyset, 1 M deep", "slowest filter"
ADMIN_LIST, ADMIN_SEARCH, ADMIN_OVERVIEW = "admin list", "admin search", "admin overview"
MANY_MESSAGES, LARGE_MESSAGES = "100,000 messages", "200 claims of 5 MiB"

WANTED: Sequence[Wanted] = (
    *against("deliver-plain", {DEFAULTS: 5, TUNED: 3, POSTFIX: 4, WIRE: 0.2}),
    *against("deliver-tracked", {DEFAULTS: 3, TUNED: 1.6, POSTFIX: 2}),
    *against("deliver-template", {DEFAULTS: 2, TUNED: 1.2}),
    *against("accept-single", {BARE_INSERT: 0.22, DRF: 1.2}),
    *at_most("accept-single", {"p99_ms": 25}),
    *at_most("accept-tracked", {"p99_ms": 50}),
    Wanted(row="accept-batch", at_least=5000, or_else=Wanted(row="accept-batch", against=DRF, at_least=1.5)),
    *against("both-batch", {POSTFIX: 2}),
    *against("both-template", {POSTFIX: 2}),
    *against("both-single", {POSTFIX: 1}),
    # No bound: the rate is stated.
    Wanted(row="both-tracked", at_least=0),
    *at_most("idle-wire", {"p50_ms": 30, "p95_ms": 100}),
    *slower_at_most("claim", [MANY_DUE, CLOSED_PROVIDER, HELD_DOMAIN], "claim_ms", FEW_DUE),
    *slower_at_most("list", [DEEP_PAGE], "page_ms", FIRST_PAGE),
    *at_most("list", {"page_ms": 25}, SLOWEST_FILTER),
    *at_most("list", {"page_ms": 180}, ADMIN_LIST),
    *at_most("list", {"page_ms": 180}, ADMIN_SEARCH),
    *at_most("list", {"page_ms": 180}, ADMIN_OVERVIEW),
    *at_most("footprint", {"pss_mb": 400, "core_percent": 1}),
    *at_most("warm-start", {"seconds": 5}),
    *at_most("first-start", {"cpu_seconds": 35, "seconds": 60}),
    *at_most("memory", {"most_mb": 250, "growth_mb": 25}, MANY_MESSAGES),
    *at_most("memory", {"most_mb": 250, "growth_mb": 25}, LARGE_MESSAGES),
)
ROWS: Sequence[str] = tuple(dict.fromkeys(wanted.row for wanted in WANTED))
# Peers without a bound of their own that belong to a row all the same.
PRESENT: Sequence[tuple[str, str]] = (("deliver-plain", HARAKA), ("accept-batch", BARE_COPY))


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a run lacks: a bound that is missed or not measured, or a side that was skipped."""

    row: str
    wanted: str
    found: float | None
    is_met: bool


def judge(rows: Mapping[str, Row]) -> list[Judgement]:
    """Every bound, and every row, side or peer that was skipped; `--only` makes skipped rows of all others."""
    judged = [
        Judgement(row=each.row, wanted=each.describe(), found=each.find(rows), is_met=each.is_met(rows))
        for each in WANTED
    ]
    judged += [
        Judgement(row=name, wanted=f"{side} is measured", found=None, is_met=bool(row.figures.get(side)))
        for name, side in PRESENT
        if (row := rows.get(name, Row(name=name))) is not None
    ]
    judged += [
        Judgement(row=row.name, wanted=f"{side} is not skipped ({why})", found=None, is_met=False)
        for row in rows.values()
        for side, why in row.skipped.items()
    ]
    return judged
