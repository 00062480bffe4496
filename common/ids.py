"""Ids of rows and requests."""

import uuid

from uuid_utils.compat import uuid7


def new_id() -> uuid.UUID:
    """A UUIDv7 (RFC 9562, 5.7): sorts by the time it was made, to the millisecond, and within this process by order."""
    return uuid7()
