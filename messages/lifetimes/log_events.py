"""Removes events from the log. An event goes when it is old enough, and its message is over or gone."""

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from common.ids import least_id_at
from ledger.sql import fetch, fetch_value
from messages.lifetimes.over import IS_OVER

# ruff: noqa: S608 - statements built from constants
BATCH = 1_000
_IS_DUE = f"(m.id IS NULL OR {IS_OVER})"
# Along the feed, whose order is that of time up to the clocks of machines. What is not due is little.
_REMOVE = f"""
WITH page AS MATERIALIZED (
    SELECT e.id, e.message_id, e.position, e.serial FROM tracking_event e
    WHERE e.project_id = %(project)s AND (e.position, e.serial) > (%(position)s, %(serial)s)
    ORDER BY e.position, e.serial LIMIT {BATCH}
), gone AS (
    DELETE FROM tracking_event e USING page p LEFT JOIN mail_message m ON m.id = p.message_id
    WHERE e.id = p.id AND p.id < %(end)s AND {_IS_DUE} RETURNING e.id
)
SELECT id, position, serial, (SELECT count(*) FROM gone) FROM page ORDER BY position DESC, serial DESC LIMIT 1
"""
_COUNT = f"""
SELECT count(*) FROM tracking_event e LEFT JOIN mail_message m ON m.id = e.message_id
WHERE e.project_id = %(project)s AND e.id < %(end)s AND {_IS_DUE}
"""


def remove_events(project_id: UUID, before: datetime) -> Iterator[int]:
    """Remove a project's events that were over at a time, in batches; yields their numbers."""
    end = least_id_at(before)
    position, serial = -1, -1
    while True:
        values = {"project": project_id, "before": before, "end": end, "position": position, "serial": serial}
        rows = fetch(_REMOVE, values)
        if not rows:
            return
        ((last_id, position, serial, count),) = rows
        yield count
        if last_id >= end:
            return


def count_events(project_id: UUID, before: datetime) -> int:
    values = {"project": project_id, "before": before, "end": least_id_at(before)}
    return int(fetch_value(_COUNT, values))
