"""Rebuilds the statistics from the kept events, one hour of accepted emails at a time."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection, transaction

from accounts.lifetimes.retention import find_ends
from ledger.sql import execute, fetch, fetch_column
from tracking.feed.cursor import Cursor
from tracking.message_tables import MESSAGES, RECIPIENTS
from tracking.models import Rollup
from tracking.stats.aggregation import locked
from tracking.stats.counting import EventRow, count_events
from tracking.stats.days import NEVER, begin_days, make_day
from tracking.stats.event_source import EVENT, floor_hour, read_counted_messages, read_cursor, read_mailbox_providers
from tracking.stats.rollups import DAYS, add_to_rollups, floor_day

HOUR = timedelta(hours=1)
CHUNK = 5_000

_OLDEST = f"""
SELECT min(created_at), EXISTS (
    SELECT 1 FROM tracking_rollup r WHERE r.project_id = %(project)s
    AND r.dimension = '{Rollup.Dimension.ALL}' AND r.starts_at < date_trunc('hour', min(m.created_at), 'UTC'))
FROM {MESSAGES} m WHERE m.project_id = %(project)s
"""  # noqa: S608 - built from constants
_HOURS = f"""
SELECT DISTINCT date_trunc('hour', created_at, 'UTC') AS hour FROM {MESSAGES}
WHERE project_id = %s AND created_at >= %s ORDER BY hour
"""  # noqa: S608 - built from constants
_IN_HOUR = f"SELECT id FROM {MESSAGES} WHERE project_id = %s AND created_at >= %s AND created_at < %s"  # noqa: S608
_DELETE = f"""
DELETE FROM tracking_rollup WHERE project_id = %s AND starts_at = %s AND NOT starts_with(dimension, '{DAYS}')
"""  # noqa: S608
_RECIPIENTS = f"SELECT id FROM {RECIPIENTS} WHERE message_id = ANY(%s)"  # noqa: S608
_EVENTS = f"""
SELECT {EVENT} FROM tracking_event e
WHERE e.message_id = ANY(%(messages)s) AND (e.position, e.serial) <= (%(position)s, %(serial)s)
ORDER BY e.position, e.serial
"""  # noqa: S608 - built from constants


class Rebuilt(NamedTuple):
    """A rebuilt hour with the number of its emails."""

    hour: datetime
    email_count: int


def find_start(project_id: UUID) -> datetime | None:
    """The first hour whose emails are all still kept; None without emails. Older hours have only their figures left."""
    ((oldest, has_older),) = fetch(_OLDEST, {"project": project_id})
    if oldest is None:
        return None
    return floor_hour(oldest) + HOUR if has_older else floor_hour(oldest)


def rebuild(project_id: UUID, since: datetime | None = None) -> Iterator[Rebuilt]:
    """Rebuild the hours from `since` on, by default all that can be rebuilt, each in its own transaction.

    It counts events up to the aggregation's cursor; the aggregation counts the later ones. Hours whose events retention
    may have removed keep their figures.
    """
    start = since or find_start(project_id)
    if start is None:
        return
    if events_end := find_ends(project_id).get("events"):
        start = max(start, floor_hour(events_end) + HOUR)
    for hour in fetch_column(_HOURS, [project_id, floor_hour(start)]):
        yield Rebuilt(hour, rebuild_hour(project_id, hour))


def rebuild_hour(project_id: UUID, hour: datetime) -> int:
    with locked(project_id):
        message_ids = fetch_column(_IN_HOUR, [project_id, hour, hour + HOUR])
        subjects = read_counted_messages(message_ids)
        mailbox_providers = read_mailbox_providers(fetch_column(_RECIPIENTS, [list(subjects)]))
        events = stream_events(list(subjects), read_cursor(project_id))
        counters_by_key = count_events(events, subjects, {}, mailbox_providers)
        # A writing transaction delays the feed, so the writes come after the long reads.
        execute(_DELETE, [project_id, hour])
        if counters_by_key:
            add_to_rollups(project_id, counters_by_key, NEVER)
        if hour >= begin_days(project_id):
            make_day(project_id, floor_day(hour))
    return len(subjects)


def stream_events(message_ids: list[UUID], until: Cursor) -> Iterator[EventRow]:
    """Yield the messages' events in the feed's order, in chunks of bounded memory."""
    with transaction.atomic(), connection.chunked_cursor() as cursor:
        values: dict[str, Any] = {"messages": message_ids, "position": until.position, "serial": until.serial}
        cursor.execute(_EVENTS, values)
        while rows := cursor.fetchmany(CHUNK):
            yield from (EventRow(*columns) for *columns, _, _ in rows)
