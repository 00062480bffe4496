"""The statistics report: rollups of a time range, summed by hour or day, for all mail or for the largest groups."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from ledger.sql import fetch, fetch_column, fetch_value
from tracking.models import Rollup
from tracking.stats.counting import NAMES, Counters
from tracking.stats.histograms import merge_histograms


class StatsStep(StrEnum):
    """The length of a step."""

    HOUR = "hour"
    DAY = "day"


LENGTHS: Mapping[StatsStep, timedelta] = {StatsStep.HOUR: timedelta(hours=1), StatsStep.DAY: timedelta(days=1)}


@dataclass(frozen=True, slots=True, kw_only=True)
class StatsRequest:
    """A request for the statistics of one project, or of several together.

    `begins_at` (inclusive) and `ends_at` (exclusive) lie on the bounds of a step, in UTC. A dimension other than `all`
    selects its `group_limit` largest groups.
    """

    project_ids: Collection[UUID]
    begins_at: datetime
    ends_at: datetime
    step: StatsStep = StatsStep.DAY
    dimension: str = Rollup.Dimension.ALL
    group_limit: int = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The figures of one step and group.

    `at` is None for the whole range. `group` is None for all mail, and for the sum of the groups beyond the limit of an
    hour, which has `is_other`.
    """

    at: datetime | None
    group: str | None
    is_other: bool
    counters: Counters


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """The result of a request.

    `rows` are ordered by time, then by size; empty rows appear only for all mail. `totals` has one row for each group,
    the largest first. `counted_at` is the time of the last aggregation.
    """

    rows: Sequence[Row]
    totals: Sequence[Row]
    counted_at: datetime | None


# The largest groups first. A provider's rollup has no `accepted`, so its size is `sent`.
_GROUPS = """
SELECT value FROM tracking_rollup
WHERE project_id = ANY(%(projects)s) AND dimension = %(dimension)s AND starts_at >= %(begin)s AND starts_at < %(end)s
GROUP BY value ORDER BY sum(accepted + sent) DESC, value LIMIT %(limit)s
"""
_SUMS = f"""
SELECT date_trunc(%(step)s, starts_at, 'UTC') AS at, value, {", ".join(f"sum({name})::bigint" for name in NAMES)},
       string_agg(handoff::text, ',') FILTER (WHERE handoff <> '{{}}'),
       string_agg(delivery::text, ',') FILTER (WHERE delivery <> '{{}}')
FROM tracking_rollup
WHERE project_id = ANY(%(projects)s) AND dimension = %(dimension)s AND starts_at >= %(begin)s AND starts_at < %(end)s
  AND (value = ANY(%(values)s) OR (%(has_other)s AND value IS NULL))
GROUP BY at, value
"""  # noqa: S608 - built from constants of this package


def count_mail(question: StatsRequest) -> Statistics:
    """Compute the statistics from rollups alone, so that the time does not depend on the amount of mail."""
    params = {
        "projects": list(question.project_ids),
        "dimension": question.dimension,
        "begin": question.begins_at,
        "end": question.ends_at,
        "step": question.step,
        "limit": question.group_limit,
    }
    values = fetch_column(_GROUPS, params)
    found: dict[tuple[datetime, str | None], Counters] = {}
    wanted = {"values": [value for value in values if value is not None], "has_other": None in values}
    for at, group, *columns in fetch(_SUMS, {**params, **wanted}) if values else []:
        found[at.astimezone(UTC), group] = read_counters(columns)
    is_all = question.dimension == Rollup.Dimension.ALL
    groups: Sequence[str | None] = [""] if is_all else values
    steps = list_steps(question)
    return Statistics(
        rows=[
            build_row(at, group, found.get((at, group), Counters()), is_all=is_all)
            for at in steps
            for group in groups
            if is_all or (at, group) in found
        ],
        totals=[build_row(None, group, total, is_all=is_all) for group, total in sum_groups(groups, found).items()],
        counted_at=find_counted_at(question.project_ids),
    )


def read_counters(columns: Sequence[object]) -> Counters:
    """Build counters from a row of sums and histograms."""
    counts, histograms = columns[: len(NAMES)], columns[len(NAMES) :]
    counters = Counters(list(counts))  # type: ignore[arg-type]
    counters.handoff, counters.delivery = (merge_histograms(str(parts or "")) for parts in histograms)
    return counters


def sum_groups(
    groups: Sequence[str | None], found: Mapping[tuple[datetime, str | None], Counters]
) -> Mapping[str | None, Counters]:
    """The figures of each group over the whole range."""
    totals: dict[str | None, Counters] = defaultdict(Counters)
    for group in groups:
        totals[group] = Counters()
    for (_, group), counters in found.items():
        totals[group].merge(counters)
    return totals


def build_row(at: datetime | None, group: str | None, counters: Counters, *, is_all: bool) -> Row:
    return Row(at=at, group=None if is_all else group, is_other=not is_all and group is None, counters=counters)


def list_steps(question: StatsRequest) -> list[datetime]:
    length = LENGTHS[question.step]
    return [question.begins_at + length * n for n in range((question.ends_at - question.begins_at) // length)]


def find_counted_at(project_ids: Collection[UUID]) -> datetime | None:
    counted_at: datetime | None = fetch_value(
        "SELECT max(counted_at) FROM tracking_statscursor WHERE project_id = ANY(%s)", [list(project_ids)]
    )
    return counted_at
