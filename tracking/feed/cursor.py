"""Positions of events in the feed. A reader that goes forward misses no event, despite concurrent writers.

A sequence alone is not sufficient: of two transactions, the one with the higher number may commit first, and a reader
that has seen it would miss the lower one. Therefore an event's position is a transaction id: greater than the id of its
own transaction, and not less than any id that had ended at the time of the write. The feed is final below the oldest
running transaction. The serial, from a sequence, orders the events of one position.

Two events of one message keep the order of their causes, because the second one is written after the lock of the
message's row was released, and therefore after the first one's commit.
"""

import base64
import struct
from dataclasses import dataclass
from http import HTTPStatus
from typing import Self

from common.errors import ApiError
from ledger.sql import execute, fetch_column, fetch_value

# The position of an event that is written now. Transaction ids here have 64 bits and never wrap.
POSITION = (
    "greatest(pg_current_xact_id()::text::bigint + 1, pg_snapshot_xmax(pg_current_snapshot())::text::bigint)"
    " + COALESCE((SELECT base FROM tracking_feedbase), 0)"
)

# Transactions of other databases in the cluster write no events here and may run for hours, so they are left out if
# they certainly belong to another database. This query runs before the snapshot: a transaction that ends in between is
# already listed, and one that begins in between is younger than every present event and hides none of them.
_OTHERS = """
SELECT a.backend_xid::text FROM pg_stat_activity a JOIN pg_database d ON d.oid = a.datid
WHERE a.backend_xid IS NOT NULL AND d.datname <> current_database()
UNION ALL
SELECT p.transaction::text FROM pg_prepared_xacts p WHERE p.database <> current_database()
"""
# The id of the oldest transaction that may still write an event, else the next id.
_HORIZON = """
SELECT COALESCE(
    (SELECT min(running::text::bigint) FROM pg_snapshot_xip(pg_current_snapshot()) AS running
     WHERE running::xid <> ALL (%s::text[]::xid[])),
    pg_snapshot_xmax(pg_current_snapshot())::text::bigint
) + COALESCE((SELECT base FROM tracking_feedbase), 0)
"""

_CURSOR = struct.Struct(">QQ")


class InvalidCursorError(ApiError):
    """`after` must be a `next` of an earlier response."""

    code = "invalid_cursor"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


@dataclass(frozen=True, slots=True, order=True)
class Cursor:
    """A place in the feed: directly after the event with this position and serial."""

    position: int = 0
    serial: int = 0

    def write(self) -> str:
        """The cursor as callers see it."""
        return base64.urlsafe_b64encode(_CURSOR.pack(self.position, self.serial)).rstrip(b"=").decode()

    @classmethod
    def read(cls, text: str) -> Self:
        """Parse a cursor that `write` made. Raises InvalidCursorError."""
        try:
            cursor = cls(*_CURSOR.unpack(base64.urlsafe_b64decode(text + "==")))
        except (ValueError, struct.error):
            raise InvalidCursorError from None
        if cursor.write() != text or max(cursor.position, cursor.serial) >= 2**63:
            raise InvalidCursorError
        return cursor


def find_horizon() -> int:
    """The last position up to which the feed is final, inclusive."""
    horizon: int = fetch_value(_HORIZON, [fetch_column(_OTHERS)])
    return horizon


# Finds positions above the present transaction ids; they come from a cluster with higher ids.
_REBASE = """
INSERT INTO tracking_feedbase (id, base)
SELECT 1, last.position - pg_snapshot_xmax(pg_current_snapshot())::text::bigint
FROM (
    SELECT max(newest.position) AS position FROM accounts_project p CROSS JOIN LATERAL (
        SELECT position FROM tracking_event e WHERE e.project_id = p.id ORDER BY position DESC LIMIT 1
    ) AS newest
) AS last
WHERE last.position > pg_snapshot_xmax(pg_current_snapshot())::text::bigint
    + COALESCE((SELECT base FROM tracking_feedbase), 0)
ON CONFLICT (id) DO UPDATE SET base = greatest(tracking_feedbase.base, EXCLUDED.base)
"""


def mend_positions() -> bool:
    """After a restore into another cluster, continue from the highest position. Returns whether that was needed.

    Call it before events are written. It changes nothing if no position is above the transaction ids.
    """
    return execute(_REBASE) > 0
