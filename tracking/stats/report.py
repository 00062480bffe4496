"""The statistics report: rollups of a time range, summed by hour or day, for all mail or for the largest groups."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from ledger.sql import fetch, fetch_column, fetch_value
from tracking.models import Rollup
from tracking.stats.counting import Counters
from tracking.stats.days import Span, cover
from tracking.stats.rollups import SUMS, read_counters

# The begin of a step, and the group: None for the sum of those beyond the limit of an hour.
Step = tuple[datetime, str | None]


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


# What the statements below read: the rollups of each span of the range.
_SPAN = """
SELECT * FROM tracking_rollup
WHERE project_id = ANY(%s) AND dimension = %s AND starts_at >= %s AND starts_at < %s
"""
# The largest groups first. A provider's rollup has no `accepted`, so its size is `sent`.
_GROUPS = """
SELECT value FROM ({rollups}) r GROUP BY value ORDER BY sum(accepted + sent) DESC, value LIMIT %s
"""
_SUMS = """
SELECT {at} AS at, value, {columns} FROM ({rollups}) r WHERE value = ANY(%s) OR (%s AND value IS NULL)
GROUP BY at, value
"""
_WHOLE_RANGE = "NULL::timestamptz"


def count_mail(question: StatsRequest) -> Statistics:
    """Compute the statistics from rollups alone, so that the time does not depend on the amount of mail."""
    groups = list_groups(question)
    found = {key: read_counters(columns) for key, columns in sum_steps(question, groups, SUMS).items()}
    is_all = question.dimension == Rollup.Dimension.ALL
    return Statistics(
        rows=[
            build_row(at, group, found.get((at, group), Counters()), is_all=is_all)
            for at in list_steps(question)
            for group in groups
            if is_all or (at, group) in found
        ],
        totals=[build_row(None, group, total, is_all=is_all) for group, total in sum_groups(groups, found).items()],
        counted_at=find_counted_at(question.project_ids),
    )


def count_groups(question: StatsRequest) -> Sequence[Row]:
    """The `totals` of `count_mail` alone: whole days of the range are read as such, also by the hour."""
    groups = list_groups(question)
    found = sum_rollups(question, list_spans(question), groups, at=_WHOLE_RANGE, columns=SUMS)
    by_group = {group: read_counters(columns) for _, group, *columns in found}
    return [build_row(None, group, by_group.get(group, Counters()), is_all=False) for group in groups]


def count_lines(question: StatsRequest, groups: Sequence[str | None], counter: str) -> Mapping[Step, int]:
    """One counter of these groups by step. Steps without mail are missing."""
    return {key: columns[0] for key, columns in sum_steps(question, groups, f"sum({counter})::bigint").items()}


def list_groups(question: StatsRequest) -> Sequence[str | None]:
    """The largest groups of the range; all mail is one, with an empty name."""
    if question.dimension == Rollup.Dimension.ALL:
        return [""]
    rollups, values = select_rollups(question, list_spans(question))
    return fetch_column(_GROUPS.format(rollups=rollups), [*values, question.group_limit])


def sum_steps(question: StatsRequest, groups: Sequence[str | None], columns: str) -> Mapping[Step, Sequence[Any]]:
    """Sums of the groups' rollups by step."""
    is_by_day = question.step is StatsStep.DAY
    spans = list_spans(question) if is_by_day else [find_span(question)]
    at = f"date_trunc('{question.step}', starts_at, 'UTC')"
    rows = sum_rollups(question, spans, groups, at=at, columns=columns)
    return {(at.astimezone(UTC), group): sums for at, group, *sums in rows}


def sum_rollups(
    question: StatsRequest, spans: Sequence[Span], groups: Sequence[str | None], *, at: str, columns: str
) -> Sequence[tuple[Any, ...]]:
    if not groups:
        return []
    rollups, values = select_rollups(question, spans)
    statement = _SUMS.format(at=at, columns=columns, rollups=rollups)
    return fetch(statement, [*values, [group for group in groups if group is not None], None in groups])


def select_rollups(question: StatsRequest, spans: Sequence[Span]) -> tuple[str, list[Any]]:
    """A statement that selects the rollups of these spans, and its values."""
    projects = list(question.project_ids)
    return " UNION ALL ".join(_SPAN for _ in spans), [value for span in spans for value in (projects, *span)]


def find_span(question: StatsRequest) -> Span:
    return Span(question.dimension, question.begins_at, question.ends_at)


def list_spans(question: StatsRequest) -> list[Span]:
    return cover(question.project_ids, find_span(question))


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
