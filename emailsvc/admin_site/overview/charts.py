"""Charts as SVG that the server makes: the geometry of their bars and lines. No script and no other host takes part.

A chart's plot is stretched to the width of its card; the labels of its axes are HTML, so that they stay readable on a
phone. Each chart has its figures in words and as a table too.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from math import ceil, floor, log, log10
from typing import NamedTuple

WIDTH, HEIGHT = 600, 160
# The share of a step's width that its bar takes.
BAR_SHARE = 0.8
# More steps have no tips of their own: the page would be large, and each too narrow to point at.
MAX_TIPS = 200
# Between the labels of the vertical axis.
MAX_INTERVALS = 4

Values = Sequence[float | None]


class ChartForm(StrEnum):
    """`overlaid`: bars in front of each other, each a part of the one behind. `stacked`: bars above each other.
    `lines`: lines from zero. `times`: lines of seconds, on an axis of growing steps.
    """

    OVERLAID = "overlaid"
    STACKED = "stacked"
    LINES = "lines"
    TIMES = "times"


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One value for each step; None where there is none. `tone` names the colour."""

    name: str
    tone: str
    values: Values


class Bars(NamedTuple):
    """The bars of a series in one shape: an element for each would make a large page. `path` as SVG writes it."""

    path: str
    tone: str


class Line(NamedTuple):
    """A line of the plot; `points` as SVG writes them."""

    points: str
    tone: str


class Tip(NamedTuple):
    """The strip of a step, with its figures in words. Numbers are texts, so that no locale writes them."""

    x: str
    width: str
    text: str


class Mark(NamedTuple):
    """A label of an axis, at its height or place in percent."""

    percent: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A chart, ready for its template. `rows` are the steps of the table that have a value."""

    key: str
    title: str
    summary: str
    series: Sequence[Series]
    bars: Sequence[Bars] = ()
    lines: Sequence[Line] = ()
    tips: Sequence[Tip] = ()
    heights: Sequence[Mark] = ()
    places: Sequence[Mark] = ()
    rows: Sequence[tuple[str, Sequence[str]]] = ()
    width: int = field(default=WIDTH, init=False)
    height: int = field(default=HEIGHT, init=False)

    @property
    def grid(self) -> list[str]:
        """The heights of the axis's labels in the plot."""
        return [f"{self.height * mark.percent / 100:.2f}" for mark in self.heights]

    @property
    def is_empty(self) -> bool:
        return not self.rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """The vertical axis: the height of a value, and the labels."""

    place: Callable[[float], float]
    marks: Sequence[Mark]


def draw(key: str, title: str, form: ChartForm, steps: Sequence[str], series: Sequence[Series]) -> Chart:
    """The chart of `series` over `steps`, which are labels of times."""
    write = write_seconds if form is ChartForm.TIMES else write_count
    axis = build_times_axis(series) if form is ChartForm.TIMES else build_count_axis(find_top(form, series))
    are_lines = form in {ChartForm.LINES, ChartForm.TIMES}
    figures = list(zip(*([write(value) for value in one.values] for one in series), strict=True))
    by_step = zip(*(one.values for one in series), strict=True)
    rows = [(step, told) for step, told, values in zip(steps, figures, by_step, strict=True) if any(values)]
    return Chart(
        key=key,
        title=title,
        summary=summarise(series, write, is_sum=form in {ChartForm.OVERLAID, ChartForm.STACKED}),
        series=series,
        bars=[] if are_lines else list(draw_bars(form, series, axis)),
        lines=[line for one in series for line in draw_line(one, axis)] if are_lines else [],
        tips=list(list_tips(steps, series, figures)) if len(steps) <= MAX_TIPS else [],
        heights=axis.marks,
        places=list(place_steps(steps)),
        rows=rows,
    )


def find_top(form: ChartForm, series: Sequence[Series]) -> float:
    """The largest height that the values reach."""
    by_step = zip(*(one.values for one in series), strict=True)
    combine = sum if form is ChartForm.STACKED else max
    return max((combine(value or 0 for value in values) for values in by_step), default=0)


def build_count_axis(top: float) -> Axis:
    """From zero to a round number that is at least `top`."""
    end = round_up(top)
    shares = (1, 0.5, 0) if end > 1 else (1, 0)
    marks = [Mark(100 - 100 * share, write_count(end * share)) for share in shares]
    return Axis(place=lambda value: HEIGHT * value / end, marks=marks)


def round_up(value: float) -> float:
    """The next of 1, 2, 4, 10, 20, 40 …"""
    if value <= 1:
        return 1
    power: float = 10 ** floor(log10(value))
    return next(step * power for step in (1, 2, 4, 10) if step * power >= value)


# Seconds, a label each, in steps of about the same factor: 1 ms to 100 days.
TICKS = (0.001, 0.01, 0.1, 1, 10, 60, 600, 3_600, 36_000, 432_000, 8_640_000)


def build_times_axis(series: Sequence[Series]) -> Axis:
    """Round times around the values, each at the same distance: hours of a backlog must not flatten what is usual."""
    values = [value for one in series for value in one.values if value]
    low = max(bisect_right(TICKS, min(values, default=1)) - 1, 0)
    high = min(max(bisect_left(TICKS, max(values, default=1)), low + 1), len(TICKS) - 1)
    step = ceil((high - low) / MAX_INTERVALS)
    low = max(high - step * ceil((high - low) / step), 0)
    ticks = TICKS[low : high + 1]
    marks = [
        Mark(100 - 100 * index / (len(ticks) - 1), write_seconds(ticks[index]))
        for index in range(len(ticks) - 1, -1, -step)
    ]
    return Axis(place=partial(place_time, ticks), marks=marks)


def place_time(ticks: Sequence[float], value: float) -> float:
    """The height of a time: between two ticks by its logarithm."""
    if value <= ticks[0]:
        return 0
    index = min(bisect_right(ticks, value) - 1, len(ticks) - 2)
    share = log(value / ticks[index]) / log(ticks[index + 1] / ticks[index])
    return float(HEIGHT * min((index + share) / (len(ticks) - 1), 1))


def draw_bars(form: ChartForm, series: Sequence[Series], axis: Axis) -> Iterator[Bars]:
    slot = WIDTH / max(len(series[0].values), 1)
    bases = [0.0] * len(series[0].values)
    for one in series:
        parts = []
        for index, value in enumerate(one.values):
            if height := axis.place(value or 0):
                x, y = slot * (index + (1 - BAR_SHARE) / 2), HEIGHT - bases[index]
                parts.append(f"M{x:.2f} {y:.2f}v{-height:.2f}h{slot * BAR_SHARE:.2f}v{height:.2f}z")
                bases[index] += height if form is ChartForm.STACKED else 0
        if parts:
            yield Bars("".join(parts), one.tone)


def draw_line(series: Series, axis: Axis) -> Iterator[Line]:
    """A line for each run of steps with values; a single value is a short one."""
    slot = WIDTH / max(len(series.values), 1)
    run: list[str] = []
    for index, value in enumerate([*series.values, None]):
        if value is not None:
            y = round(HEIGHT - axis.place(value), 2)
            run.append(f"{round(slot * (index + 0.5), 2)},{y}")
            continue
        if len(run) == 1:
            x, y_text = run[0].split(",")
            run = [f"{round(float(x) - slot / 4, 2)},{y_text}", f"{round(float(x) + slot / 4, 2)},{y_text}"]
        if run:
            yield Line(" ".join(run), series.tone)
        run = []


def list_tips(steps: Sequence[str], series: Sequence[Series], figures: Iterable[Sequence[str]]) -> Iterator[Tip]:
    slot = WIDTH / max(len(steps), 1)
    for index, (step, told) in enumerate(zip(steps, figures, strict=True)):
        words = ", ".join(f"{one.name} {figure}" for one, figure in zip(series, told, strict=True))
        yield Tip(f"{slot * index:.2f}", f"{slot:.2f}", f"{step}: {words}")


def place_steps(steps: Sequence[str]) -> Iterator[Mark]:
    """The first, the middle and the last step."""
    if len(steps) > 2:
        for index in (0, len(steps) // 2, len(steps) - 1):
            yield Mark(100 * (index + 0.5) / len(steps), steps[index])


def summarise(series: Sequence[Series], write: Callable[[float | None], str], *, is_sum: bool) -> str:
    """The chart in one sentence, for those who do not see it."""
    return "; ".join(describe_series(one, write, is_sum=is_sum) for one in series) + "."


def describe_series(series: Series, write: Callable[[float | None], str], *, is_sum: bool) -> str:
    values = [value for value in series.values if value is not None]
    if not any(values):
        return f"{series.name}: none"
    most = write(max(values))
    return f"{series.name}: {write(sum(values))} in all, at most {most}" if is_sum else f"{series.name}: at most {most}"


def write_count(value: float | None) -> str:
    """`12,345`; an empty text for no value."""
    return "" if value is None else f"{value:,.0f}"


UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def write_seconds(value: float | None) -> str:
    """`180 ms`, `1.7 min`; an empty text for no value."""
    if value is None:
        return ""
    for size, unit in UNITS:
        if value >= size:
            return f"{value / size:.2g} {unit}" if value < 100 * size else f"{value / size:.0f} {unit}"
    return f"{value * 1000:.3g} ms"
