"""Aggregates the event feed into rollups. Each event is counted once, in the feed's order, apart from its writers.

Each project has a cursor: the place in the feed up to which its events are counted. One transaction writes the rollups
and the cursor under the project's lock. Therefore repeated and concurrent runs count no event twice, and after an
outage the aggregation continues at the cursor.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db import DataError, IntegrityError, transaction

from ledger.sql import execute, fetch, fetch_column, fetch_value
from tracking.feed.cursor import Cursor, find_horizon
from tracking.stats.counting import count_events
from tracking.stats.days import ALWAYS, UNFINISHED, begin_days, extend_days
from tracking.stats.event_source import (
    read_counted_messages,
    read_cursor,
    read_events,
    read_mailbox_providers,
    read_pasts,
)
from tracking.stats.rollups import add_to_rollups

log = structlog.get_logger(__name__)

# A writing transaction delays the feed until it ends, so batches are small.
BATCH = 2_000

_BEHIND = """
SELECT p.id FROM accounts_project p LEFT JOIN tracking_statscursor c ON c.project_id = p.id
WHERE EXISTS (
    SELECT 1 FROM tracking_event e WHERE e.project_id = p.id AND e.position <= %s
    AND (e.position, e.serial) > (COALESCE(c.position, 0), COALESCE(c.serial, 0)))
ORDER BY c.counted_at NULLS FIRST
"""
_MOVE = """
INSERT INTO tracking_statscursor (project_id, position, serial, counted_at, days_since, days_position, days_serial)
VALUES (%s, %s, %s, now(), %s, %s, %s)
ON CONFLICT (project_id) DO UPDATE
SET position = EXCLUDED.position, serial = EXCLUDED.serial, counted_at = EXCLUDED.counted_at,
    days_since = EXCLUDED.days_since, days_position = EXCLUDED.days_position, days_serial = EXCLUDED.days_serial
"""
# The first of the two keys of the advisory lock; it names the purpose.
_LOCK_SPACE = 0x57A75


def aggregate_all(limit: timedelta) -> int:
    """Aggregate the new events of all projects in turns, for about `limit`. Returns the number of events."""
    return take_turns(limit, lambda: fetch_column(_BEHIND, [find_horizon()]), try_aggregate)


def take_turns(limit: timedelta, list_projects: Callable[[], Sequence[UUID]], work: Callable[[UUID], int]) -> int:
    """Do a piece of work for each project in turn, until a round brings nothing, or for about `limit`.

    Returns the sum of what the pieces return.
    """
    until = time.monotonic() + limit.total_seconds()
    count = 0
    while time.monotonic() < until:
        progress = 0
        for project_id in list_projects():
            progress += work(project_id)
            if time.monotonic() >= until:
                break
        count += progress
        if not progress:
            break
    return count


def try_aggregate(project_id: UUID) -> int:
    """`aggregate` with isolated failures: a project with invalid rows is logged and retried at the next run."""
    try:
        return aggregate(project_id)
    except (DataError, IntegrityError):
        log.exception("fold_failed", project_id=str(project_id))
        return 0


def aggregate(project_id: UUID, batch: int = BATCH) -> int:
    """Aggregate at most `batch` next events of a project. Returns their number; 0 also if another run has the lock."""
    with transaction.atomic():
        if not try_lock(project_id):
            return 0
        after = read_cursor(project_id)
        events, end = read_events(project_id, after, horizon=find_horizon(), limit=batch)
        if not events:
            return 0
        message_ids = {event.message_id for event in events}
        subjects = read_counted_messages(message_ids)
        mailbox_providers = read_mailbox_providers({event.recipient_id for event in events if event.recipient_id})
        counters_by_key = count_events(events, subjects, read_pasts(subjects.keys(), after), mailbox_providers)
        days_since = begin_days(project_id)
        if counters_by_key:
            add_to_rollups(project_id, counters_by_key, days_since)
        move_cursor(project_id, end, days_since)
    return len(events)


def complete_days(limit: timedelta) -> int:
    """Add up days that are not whole yet from their hours, of all projects in turns, for about `limit`.

    Returns their number: 0 for an installation that has counted days from the start.
    """
    return take_turns(limit, lambda: fetch_column(UNFINISHED, [ALWAYS]), try_extend)


def try_extend(project_id: UUID) -> bool:
    """Add up one day of a project, unless another run has its lock."""
    with transaction.atomic():
        if is_free := try_lock(project_id):
            extend_days(project_id)
    return is_free


def move_cursor(project_id: UUID, to: Cursor, days_since: datetime) -> None:
    """Note that events are counted up to this place, in hours, and in days from `days_since` on."""
    place = [to.position, to.serial]
    execute(_MOVE, [project_id, *place, days_since, *place])


def try_lock(project_id: UUID) -> bool:
    """Take the project's lock, if free, until the transaction ends. It needs no transaction id, so no feed waits."""
    return bool(fetch_value("SELECT pg_try_advisory_xact_lock(%s, hashtext(%s))", [_LOCK_SPACE, str(project_id)]))


@contextmanager
def locked(project_id: UUID) -> Iterator[None]:
    """Open a transaction and wait for the project's lock."""
    with transaction.atomic():
        fetch("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [_LOCK_SPACE, str(project_id)])
        yield
