"""Rollups of whole days in UTC, beside those of hours: the same table, with `day:` before the dimension.

The aggregation adds to both at once. The project's cursor tells from which day on those of days are whole, and up to
which place in the feed they are counted. A program of an older release counts hours alone: then that place is not the
cursor's, and the days begin anew with the next one. The days before are added up from their hours, the newest first.
"""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from ledger.clock import database_time
from ledger.sql import execute, fetch, fetch_value
from tracking.models import Rollup
from tracking.stats.rollups import DAYS, SUMS, RollupKey, floor_day, name_days, read_counters, write_rollups

DAY = timedelta(days=1)
# All days of a project are whole, and none.
ALWAYS, NEVER = datetime(2000, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)

_IS_CURRENT = "days_position = position AND days_serial = serial"
_SINCE = f"SELECT CASE WHEN {_IS_CURRENT} THEN days_since END FROM tracking_statscursor WHERE project_id = %s"  # noqa: S608 - constants
_COMMON = f"""
SELECT max(CASE WHEN {_IS_CURRENT} THEN days_since ELSE %s END) FROM tracking_statscursor WHERE project_id = ANY(%s)
"""  # noqa: S608
UNFINISHED = f"SELECT project_id FROM tracking_statscursor WHERE NOT COALESCE({_IS_CURRENT} AND days_since = %s, false)"  # noqa: S608
_MOVE = """
UPDATE tracking_statscursor SET days_since = %s, days_position = position, days_serial = serial WHERE project_id = %s
"""
_HAS_ANY = "SELECT EXISTS (SELECT 1 FROM tracking_rollup WHERE project_id = %s)"
_LAST = f"""
SELECT max(starts_at) FROM tracking_rollup
WHERE project_id = %s AND dimension = '{Rollup.Dimension.ALL}' AND starts_at < %s
"""  # noqa: S608
_IN_DAY = "project_id = %s AND starts_at >= %s AND starts_at < %s"
_OF_HOURS = f"""
SELECT dimension, value, {SUMS} FROM tracking_rollup WHERE {_IN_DAY} AND NOT starts_with(dimension, '{DAYS}')
GROUP BY dimension, value
"""  # noqa: S608
_DELETE = f"DELETE FROM tracking_rollup WHERE {_IN_DAY} AND starts_with(dimension, '{DAYS}')"  # noqa: S608


class Span(NamedTuple):
    """A part of a time range, whose figures are the rollups of this dimension."""

    dimension: str
    begin: datetime
    end: datetime


def cover(project_ids: Collection[UUID], whole: Span) -> list[Span]:
    """The spans that make up a range: the days that it holds, and the hours at its ends."""
    since = fetch_value(_COMMON, [NEVER, list(project_ids)]) or NEVER
    first, last = ceil_day(max(whole.begin, since)), floor_day(whole.end)
    if first >= last:
        return [whole]
    spans = (
        Span(whole.dimension, whole.begin, first),
        Span(name_days(whole.dimension), first, last),
        Span(whole.dimension, last, whole.end),
    )
    return [span for span in spans if span.begin < span.end]


def ceil_day(at: datetime) -> datetime:
    return at if floor_day(at) == at else floor_day(at) + DAY


def begin_days(project_id: UUID) -> datetime:
    """The day from which on the project's days are whole; tomorrow where they begin anew. The caller holds its lock."""
    since: datetime | None = fetch_value(_SINCE, [project_id])
    if since is None:
        return floor_day(database_time()) + DAY if fetch_value(_HAS_ANY, [project_id]) else ALWAYS
    return since


def extend_days(project_id: UUID) -> None:
    """Make one more day whole, before the others. The caller holds the project's lock."""
    since = begin_days(project_id)
    last: datetime | None = fetch_value(_LAST, [project_id, since])
    if last is not None:
        since = floor_day(last)
        make_day(project_id, since)
    execute(_MOVE, [ALWAYS if last is None else since, project_id])


def make_day(project_id: UUID, day: datetime) -> None:
    """Add up a day from its hours, in place of what there is."""
    bounds = [project_id, day, day + DAY]
    made = {
        RollupKey(name_days(dimension), day, value): read_counters(columns)
        for dimension, value, *columns in fetch(_OF_HOURS, bounds)
    }
    execute(_DELETE, bounds)
    write_rollups(project_id, made)
