"""Where events stand in the feed, so that a reader who goes forward misses none, whoever writes at the same time.

A sequence alone would not do: of two transactions the one with the higher number may commit first, and a reader who has
seen it would never come back for the lower one. So an event's position is a transaction id, above its own transaction's
and not below any that had ended when it was written. All below the oldest transaction still running is settled: nothing
more can appear there. The serial, from a sequence, orders events of one position.

Two events of one message keep the order in which they came about, since the second is written after the lock of the
message's row was handed over, and so after the first one's commit.
"""

import base64
import struct
from dataclasses import dataclass
from http import HTTPStatus
from typing import Self

from common.errors import ApiError
from ledger.sql import execute, fetch, fetch_one

# The position of an event that is written now. Transaction ids here have 64 bits and never wrap.
POSITION = (
    "greatest(pg_current_xact_id()::text::bigint + 1, pg_snapshot_xmax(pg_current_snapshot())::text::bigint)"
    " + COALESCE((SELECT base FROM tracking_feedbase), 0)"
)

# Transactions of other databases in the cluster write none of ours, and may run for hours: they are left out, if they
# are surely theirs. They are asked for before the snapshot is taken: what ends in between is known all the same, and
# what begins in between is younger than every event that is there by now, and hides none of them.
_OTHERS = """
SELECT a.backend_xid::text FROM pg_stat_activity a JOIN pg_database d ON d.oid = a.datid
WHERE a.backend_xid IS NOT NULL AND d.datname <> current_database()
UNION ALL
SELECT p.transaction::text FROM pg_prepared_xacts p WHERE p.database <> current_database()
"""
# The oldest transaction that may still write an event, or the one that comes next.
_HORIZON = """
SELECT COALESCE(
    (SELECT min(running::text::bigint) FROM pg_snapshot_xip(pg_current_snapshot()) AS running
     WHERE running::xid <> ALL (%s::text[]::xid[])),
    pg_snapshot_xmax(pg_current_snapshot())::text::bigint
) + COALESCE((SELECT base FROM tracking_feedbase), 0)
"""

_CURSOR = struct.Struct(">QQ")


class InvalidCursorError(ApiError):
    """`after` is none of the values that `next` had."""

    code = "invalid_cursor"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


@dataclass(frozen=True, slots=True, order=True)
class Cursor:
    """A place in the feed: just behind the event of this position and serial."""

    position: int = 0
    serial: int = 0

    def write(self) -> str:
        """The cursor as callers see it."""
        return base64.urlsafe_b64encode(_CURSOR.pack(self.position, self.serial)).rstrip(b"=").decode()

    @classmethod
    def read(cls, text: str) -> Self:
        """What `write` gave. `InvalidCursorError` for anything else."""
        try:
            cursor = cls(*_CURSOR.unpack(base64.urlsafe_b64decode(text + "==")))
        except (ValueError, struct.error):
            raise InvalidCursorError from None
        if cursor.write() != text or max(cursor.position, cursor.serial) >= 2**63:
            raise InvalidCursorError
        return cursor


def find_horizon() -> int:
    """Up to here, inclusive, the feed is settled."""
    others = [number for (number,) in fetch(_OTHERS)]
    row = fetch_one(_HORIZON, [others])
    assert row is not None
    horizon: int = row[0]
    return horizon


# Positions that are still to come, and yet are there: they are from a cluster that had counted further.
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
    """Go on from the highest position after a restore into another cluster; whether that was needed.

    Call it before events are written. Harmless when nothing is wrong: no position is ahead of the transaction ids.
    """
    return execute(_REBASE) > 0
