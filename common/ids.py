"""Ids of rows and requests."""

import os
import uuid
from datetime import UTC, datetime, timedelta

from uuid_utils.compat import uuid7

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
# The fixed bits of RFC 9562, 5.7: version 7 and the variant.
FIXED = 7 << 76 | 2 << 62
MAX_MILLISECONDS = 2**48 - 1
# How many ids of one microsecond keep their order.
MAX_INDEX = 2**10


def new_id() -> uuid.UUID:
    """A UUIDv7 (RFC 9562, 5.7): sorts by the time it was made, to the millisecond, and within this process by order."""
    return uuid7()


def id_at(time: datetime, index: int = 0) -> uuid.UUID:
    """A UUIDv7 of this time, to the microsecond; those of one time sort by `index`, which is below `MAX_INDEX`.

    For rows whose time comes from the database: their ids then sort by its clock, whichever machine made them.
    """
    milliseconds, microseconds = divmod((time - EPOCH) // MICROSECOND, 1000)
    # RFC 9562, 6.2: twelve bits for the fraction of the millisecond (method 3), then ten for a counter (method 1).
    fraction = microseconds * 4096 // 1000
    random = int.from_bytes(os.urandom(7)) >> 4
    return uuid.UUID(int=milliseconds << 80 | FIXED | fraction << 64 | index << 52 | random)


def least_id_at(time: datetime) -> uuid.UUID:
    """The least UUIDv7 of this time's millisecond: what is older is below it."""
    return uuid.UUID(int=milliseconds_of(time) << 80 | FIXED)


def greatest_id_at(time: datetime) -> uuid.UUID:
    """The greatest UUIDv7 of this time's millisecond: what is later is above it."""
    return uuid.UUID(int=milliseconds_of(time) << 80 | FIXED | 0xFFF << 64 | 2**62 - 1)


def milliseconds_of(time: datetime) -> int:
    return min(max((time - EPOCH) // MICROSECOND // 1000, 0), MAX_MILLISECONDS)
