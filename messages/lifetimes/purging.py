"""Purges what is over: project by project, kind by kind, in batches, with a rest after each.

Projects that were looked at an hour ago are due. A project with much to remove gets a slice of time and comes again
after the others.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from uuid import UUID

from accounts.lifetimes.retention import DEFAULTS, find_ends
from common.ids import least_id_at
from ledger.batches import run_batches
from ledger.clock import database_time
from ledger.sql import execute, fetch_column
from messages.lifetimes.kinds import KINDS

# The work of one run of the beat's task, and of one project in it.
RUN_SECONDS = 15.0
SLICE_SECONDS = 3.0
EVERY = timedelta(hours=1)
# A batch is followed by a rest of its own length: sending and accepting come first.
REST = 1.0
# Two years; counted from accepting, as the targets have no other time.
LINKS_KEPT = timedelta(days=730)

_DUE = """
SELECT p.id FROM accounts_project p LEFT JOIN mail_purgestate s ON s.project_id = p.id
WHERE s.looked_at IS NULL OR s.looked_at < now() - %s
ORDER BY s.looked_at NULLS FIRST LIMIT 1
"""
_LOOKED = """
INSERT INTO mail_purgestate (project_id, looked_at) VALUES (%(project)s, now() - %(ago)s)
ON CONFLICT (project_id) DO UPDATE SET looked_at = EXCLUDED.looked_at
"""
# What belongs to no project, or to one that is deleted, is kept for the default time.
_OWNERLESS_AUDIT = """
DELETE FROM accounts_auditentry WHERE id IN (
    SELECT a.id FROM accounts_auditentry a WHERE a.at < %s
    AND NOT EXISTS (SELECT FROM accounts_project p WHERE p.id = a.project_id) LIMIT 1000)
"""
_LINKS = [
    f"DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table} WHERE {key} < %s ORDER BY {key} LIMIT 1000)"  # noqa: S608 - constants
    for table, key in (("tracking_trackedlinks", "message_id"), ("tracking_linkowner", "recipient_id"))
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Purged:
    """What a batch has removed."""

    kind: str
    count: int


def purge_project(project_id: UUID) -> Iterator[Purged]:
    """Remove all that is over of a project, by its retention; each item is a batch, committed."""
    ends = find_ends(project_id)
    for kind, how in KINDS.items():
        if kind in ends:
            for count in how.remove(project_id, ends[kind]):
                yield Purged(kind=kind, count=count)


def purge_due(rest: Callable[[float], object] = time.sleep, clock: Callable[[], float] = time.monotonic) -> int:
    """Purge the projects that are due, for a limited time. Returns the number of removed rows."""
    total, until = 0, clock() + RUN_SECONDS
    while clock() < until and (due := fetch_column(_DUE, [EVERY])):
        (project_id,) = due
        slice_end, is_done = clock() + SLICE_SECONDS, False
        batches = purge_project(project_id)
        while clock() < slice_end:
            begun_at = clock()
            batch = next(batches, None)
            if batch is None:
                is_done = True
                break
            total += batch.count
            if batch.count:
                rest(REST * (clock() - begun_at))
        # An unfinished project is due again in a minute: the others come first.
        ago = timedelta(0) if is_done else EVERY - timedelta(minutes=1)
        execute(_LOOKED, {"project": project_id, "ago": ago})
    return total


def purge_ownerless() -> int:
    """Remove what no project owns: old entries of the audit log, and the targets of links after two years."""
    now = database_time()
    count = 0
    if DEFAULTS.audit is not None:
        oldest = now - timedelta(days=DEFAULTS.audit)
        count += run_batches(lambda: execute(_OWNERLESS_AUDIT, [oldest]))
    least = least_id_at(now - LINKS_KEPT)
    return count + sum(run_batches(partial(execute, statement, [least])) for statement in _LINKS)
