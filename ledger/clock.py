"""The database's time without a query: an offset to this machine's monotonic clock, measured for each connection.

The offset is measured by a query at first, and corrected by the time that statements bring back. Steps of this
machine's clock do not matter.
"""

import time
from datetime import UTC, datetime
from typing import cast

from django.db import connection

from ledger.database.base import DatabaseWrapper
from ledger.sql import fetch_value

_line = cast(DatabaseWrapper, connection)


def database_time() -> datetime:
    """The database's present time, to about the time of a round trip."""
    _line.ensure_connection()
    if _line.clock_offset is None:
        sent_at = time.monotonic()
        now: datetime = fetch_value("SELECT clock_timestamp()")
        _line.clock_offset = now.timestamp() - (sent_at + time.monotonic()) / 2
    return datetime.fromtimestamp(time.monotonic() + _line.clock_offset, UTC)


def correct_clock(stated: datetime, sent_at: float) -> None:
    """Correct the offset by the time `stated` of a statement that was sent at `sent_at` by the monotonic clock.

    The statement began between `sent_at` and now, so the offset is between two bounds.
    """
    least, most = stated.timestamp() - time.monotonic(), stated.timestamp() - sent_at
    if _line.clock_offset is not None:
        _line.clock_offset = min(max(_line.clock_offset, least), most)
