"""The database's time without a query: an offset to this machine's monotonic clock, measured for each connection.

The offset is measured by a query at first, and corrected by the time that statements bring back. Steps of this
machine's clock do not matter.
"""

import time
from datetime import UTC, datetime
from typing import cast

from django.db import DEFAULT_DB_ALIAS, connections

from ledger.database.base import DatabaseWrapper
from ledger.sql import fetch_value


def _find_line() -> DatabaseWrapper:
    """This thread's connection, once: Django's proxy would look for it at each use."""
    return cast(DatabaseWrapper, connections[DEFAULT_DB_ALIAS])


def database_time() -> datetime:
    """The database's present time, to about the time of a round trip."""
    line = _find_line()
    line.ensure_connection()
    if line.clock_offset is None:
        sent_at = time.monotonic()
        now: datetime = fetch_value("SELECT clock_timestamp()")
        line.clock_offset = now.timestamp() - (sent_at + time.monotonic()) / 2
    return datetime.fromtimestamp(time.monotonic() + line.clock_offset, UTC)


def correct_clock(stated: float, sent_at: float) -> None:
    """Correct the offset by the time `stated` of a statement, in seconds since 1970, that was sent at `sent_at` by the
    monotonic clock.

    The statement began between `sent_at` and now, so the offset is between two bounds.
    """
    least, most = stated - time.monotonic(), stated - sent_at
    line = _find_line()
    if line.clock_offset is not None:
        line.clock_offset = min(max(line.clock_offset, least), most)
