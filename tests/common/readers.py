"""Functions that read responses in tests."""

from datetime import UTC, datetime


def is_utc(text: object) -> bool:
    """Whether `text` is a time as the API writes it: ISO 8601 in UTC, ending with Z."""
    return isinstance(text, str) and text.endswith("Z") and datetime.fromisoformat(text).tzinfo == UTC
