"""Keeps requests for the log of their project: gathered in the process and written once a second."""

from collections import deque
from collections.abc import Mapping
from typing import Any

from django.db import InterfaceError, OperationalError, connection

from ledger.limits import WorkKind, work_of
from ledger.sql import as_rows, execute
from ledger.telemetry.families import REQUESTS_NOT_LOGGED
from ledger.telemetry.gathering import gatherer

# What waits for a database that is away; later requests are left out and counted.
MOST_WAITING = 20_000
BATCH = 1_000
_INSERT = """
INSERT INTO accounts_requestentry
    (id, project_id, is_test, at, method, route, status, code, duration_ms, key_prefix, origin, request_id, email_ids)
SELECT id, project_id, is_test, at, method, route, status, code, duration_ms, key_prefix, origin, request_id, email_ids
FROM jsonb_to_recordset(%s::jsonb) AS v(
    id uuid, project_id uuid, is_test boolean, at timestamptz, method text, route text, status smallint, code text,
    duration_ms float, key_prefix text, origin text, request_id text, email_ids uuid[])
ON CONFLICT DO NOTHING
"""
_waiting: deque[Mapping[str, Any]] = deque()


def note_request(row: Mapping[str, Any]) -> None:
    """Keep a row, whose columns are those of `RequestEntry`. It is lost if the process is killed within a second."""
    if len(_waiting) >= MOST_WAITING:
        REQUESTS_NOT_LOGGED.add()
        return
    _waiting.append(row)
    if not gatherer.is_awake:
        gatherer.wake()


def write_requests() -> bool:
    """Write what has been gathered. True if some is left because the database is away."""
    while _waiting:
        rows = [_waiting.popleft() for _ in range(min(BATCH, len(_waiting)))]
        try:
            with work_of(WorkKind.TICK):
                # At the end of a command this is its own thread, which may be in the middle of something.
                if not connection.in_atomic_block:
                    connection.close_if_unusable_or_obsolete()
                execute(_INSERT, [as_rows(rows)])
        except (OperationalError, InterfaceError):
            connection.close()
            _waiting.extendleft(reversed(rows))
            return True
    return False


def forget_requests() -> None:
    """For tests: what one leaves is not written by the next."""
    _waiting.clear()


gatherer.register(write_requests)
