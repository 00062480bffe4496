"""Ids of rows and requests."""

import os
import uuid
from datetime import UTC, datetime, timedelta
from threading import Lock

from uuid_utils.compat import uuid7

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
# The fixed bits of RFC 9562, 5.7: version 7 and the variant.
FIXED = 7 << 76 | 2 << 62
MAX_MILLISECONDS = 2**48 - 1
MAX_COUNT = 2**20


def new_id() -> uuid.UUID:
    """A UUIDv7 (RFC 9562, 5.7): sorts by creation time, to the millisecond, and within this process by order."""
    return uuid7()


class TimedIds:
    """UUIDv7s for given times, for rows whose time comes from the database: they sort by its clock.

    Precise to the microsecond on every machine; ids that this process makes for the same time sort by order.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._time = EPOCH
        self._count = 0

    def take(self, time: datetime, count: int) -> list[uuid.UUID]:
        """The next `count` ids for `time`, in order."""
        with self._lock:
            start = self._count if time == self._time else 0
            self._time, self._count = time, start + count
        milliseconds, microseconds = divmod((time - EPOCH) // MICROSECOND, 1000)
        # RFC 9562, 6.2: twelve bits for the fraction of the millisecond (method 3), twenty for a counter (method 1).
        base = milliseconds << 80 | FIXED | (microseconds * 4096 // 1000) << 64
        return [
            uuid.UUID(int=base | (index % MAX_COUNT) << 42 | int.from_bytes(os.urandom(6)) >> 6)
            for index in range(start, start + count)
        ]


timed_ids = TimedIds()


def least_id_at(time: datetime) -> uuid.UUID:
    """The smallest UUIDv7 of this time's millisecond: older ids are below it."""
    return uuid.UUID(int=milliseconds_of(time) << 80 | FIXED)


def greatest_id_at(time: datetime) -> uuid.UUID:
    """The greatest UUIDv7 of this time's millisecond: later ids are above it."""
    return uuid.UUID(int=milliseconds_of(time) << 80 | FIXED | 0xFFF << 64 | 2**62 - 1)


def milliseconds_of(time: datetime) -> int:
    return min(max((time - EPOCH) // MICROSECOND // 1000, 0), MAX_MILLISECONDS)


def parse_id(text: str) -> uuid.UUID | None:
    """The id in its text form; None for any other text."""
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
