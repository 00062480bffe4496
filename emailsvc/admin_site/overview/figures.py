"""The overview's figures and charts: from rollups, so that their time does not depend on the amount of mail."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from django.http import QueryDict
from django.utils import timezone

from emailsvc.admin_site.overview.charts import Chart, ChartForm, Series, draw
from emailsvc.admin_site.overview.scope import OverviewScope
from tracking.models import Rollup
from tracking.stats.admin import describe_groups
from tracking.stats.counting import INDEX
from tracking.stats.filters import read_question
from tracking.stats.histograms import find_percentile
from tracking.stats.report import LENGTHS, Row, StatsRequest, StatsStep, count_groups, count_lines, count_mail
from tracking.stats.serializers import OF_SENT, show_row

PERMISSION = "tracking.view_rollup"


class Period(NamedTuple):
    """A time to look back over, and the steps that it may be shown in, the usual one first."""

    title: str
    length: timedelta
    steps: tuple[StatsStep, ...]


HOUR, DAY = StatsStep.HOUR, StatsStep.DAY
PERIODS: Mapping[str, Period] = {
    "day": Period("24 hours", timedelta(hours=24), (HOUR,)),
    "week": Period("7 days", timedelta(days=7), (HOUR, DAY)),
    "month": Period("30 days", timedelta(days=30), (DAY,)),
    "quarter": Period("90 days", timedelta(days=90), (DAY,)),
}
USUAL = "day"
DIMENSION = Rollup.Dimension
GROUPS: Mapping[str, str] = {
    DIMENSION.STREAM: "Stream",
    DIMENSION.PROVIDER: "Provider",
    DIMENSION.MAILBOX_PROVIDER: "Mailbox provider",
    DIMENSION.DOMAIN: "Sender's domain",
    DIMENSION.TEMPLATE: "Template",
    DIMENSION.TAG: "Tag",
}
# Groups in the table, and lines in the chart: more cannot be told apart.
LISTED, DRAWN = 20, 5
# The page reads so many rollups at most: steps of all projects together, and those of the groups.
MOST_STEPS, MOST_ROLLUPS = 10_000, 6_000
MEDIAN, MOST_OF_ALL = 0.5, 0.95
FORMATS = {HOUR: "%Y-%m-%d %H:%M", DAY: "%Y-%m-%d"}


class ChartPlan(NamedTuple):
    """A chart of counters: its title, its form, and name, colour and counter of each series."""

    title: str
    form: ChartForm
    series: tuple[tuple[str, str, str], ...]


PLANS: Mapping[str, ChartPlan] = {
    "sent": ChartPlan(
        "Accepted and delivered",
        ChartForm.OVERLAID,
        (("accepted", "soft", "accepted"), ("delivered", "accent", "delivered")),
    ),
    "trouble": ChartPlan(
        "Bounced, failed, complaints",
        ChartForm.STACKED,
        (("bounced", "bad", "bounced"), ("failed", "warn", "failed"), ("complaints", "odd", "complained")),
    ),
    "opens": ChartPlan(
        "Opens", ChartForm.OVERLAID, (("shown", "soft", "opens_shown"), ("by people", "accent", "opens_human"))
    ),
}


class Choice(NamedTuple):
    """What the reader has chosen, each replaced by the usual one if it is unknown."""

    period: str
    step: StatsStep
    group: str


def list_steps(scope: OverviewScope, period: str) -> Sequence[StatsStep]:
    """The steps of a period. Many projects together have long ones, since each adds a rollup to each step."""
    count = len(scope.find_ids(PERMISSION))
    length, steps = PERIODS[period].length, PERIODS[period].steps
    return [step for step in steps if period == USUAL or count * (length // LENGTHS[step]) <= MOST_STEPS]


def list_periods(scope: OverviewScope) -> list[str]:
    """The periods of the page. Many projects together have short ones."""
    return [name for name in PERIODS if list_steps(scope, name)]


def read_choice(scope: OverviewScope, given: QueryDict) -> Choice:
    period = given.get("period", "")
    period = period if period in list_periods(scope) else USUAL
    steps = list_steps(scope, period)
    step = next((each for each in steps if each == given.get("by")), steps[0])
    group = given.get("group", "")
    return Choice(period, step, group if group in GROUPS else DIMENSION.STREAM)


def describe_figures(scope: OverviewScope, choice: Choice) -> dict[str, Any]:
    """The figures, charts and groups of the page."""
    ids = scope.find_ids(PERMISSION)
    rollups = len(ids) * count_rollups(choice)
    given = build_query(choice) | {"limit": min(max(MOST_ROLLUPS // max(rollups, 1), 1), LISTED)}
    whole = count_mail(read_question(ids, given))
    question = read_question(ids, {**given, "group": choice.group})
    totals = count_groups(question)
    shown_rows = describe_groups(choice.group, totals)
    steps = [f"{row.at:{FORMATS[choice.step]}}" for row in whole.rows if row.at]
    names = [row["name"] for row in shown_rows]
    return {
        "question": question,
        "is_short": len(list_periods(scope)) < len(PERIODS),
        "counted_at": whole.counted_at,
        "total": show_row(whole.totals[0], is_of_sent=False),
        "charts": [*draw_counts(steps, whole.rows), draw_handover("handover", steps, whole.rows)],
        "group_title": GROUPS[choice.group],
        "is_of_sent": choice.group in OF_SENT,
        "group_rows": shown_rows,
        "group_chart": draw_groups(steps, question, totals, names) if names else None,
    }


def count_rollups(choice: Choice) -> int:
    """The rollups of a group: its days, and by the hour up to two days of hours at the ends."""
    return PERIODS[choice.period].length // LENGTHS[DAY] + (48 if choice.step is HOUR else 0)


def build_query(choice: Choice) -> dict[str, Any]:
    """The query of the statistics. The present step counts as one of the period's."""
    now = timezone.now()
    begin = now - PERIODS[choice.period].length + LENGTHS[choice.step]
    return {"from": begin, "to": now, "by": choice.step}


def draw_counts(steps: Sequence[str], rows: Sequence[Row]) -> Iterable[Chart]:
    for key, plan in PLANS.items():
        series = [
            Series(name=name, tone=tone, values=[row.counters.counts[INDEX[counter]] for row in rows])
            for name, tone, counter in plan.series
        ]
        yield draw(key, plan.title, plan.form, steps, series)


def draw_handover(key: str, steps: Sequence[str], rows: Sequence[Row]) -> Chart:
    """From queued to the acceptance by the provider, retries included."""
    series = [
        Series(name=name, tone=tone, values=[find_percentile(row.counters.handoff, share) for row in rows])
        for name, tone, share in (("half within", "accent", MEDIAN), ("95 % within", "warn", MOST_OF_ALL))
    ]
    return draw(key, "Time to hand-over", ChartForm.TIMES, steps, series)


def draw_groups(steps: Sequence[str], question: StatsRequest, totals: Sequence[Row], titles: Sequence[str]) -> Chart:
    """The largest groups: their accepted recipients, or those sent where the group has no part in accepting."""
    counter = "sent" if question.dimension in OF_SENT else "accepted"
    numbers = {row.group: number for number, row in enumerate(totals[:DRAWN])}
    values: list[list[float | None]] = [[0.0] * len(steps) for _ in numbers]
    for (at, group), count in count_lines(question, list(numbers), counter).items():
        values[numbers[group]][(at - question.begins_at) // LENGTHS[question.step]] = count
    series = [
        Series(name=title or "", tone=f"line-{number}", values=line)
        for number, (title, line) in enumerate(zip(titles, values, strict=False), start=1)
    ]
    title = f"{'Sent' if question.dimension in OF_SENT else 'Accepted'}, by {GROUPS[question.dimension].lower()}"
    return draw("groups", title, ChartForm.LINES, steps, series)
