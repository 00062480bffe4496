"""Times in the API's format."""

import re
from datetime import UTC, datetime

from django.utils import timezone

# RFC 3339, 5.6, with ISO 8601's offset without a colon.
TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?P<offset>[Zz]|[+-]\d\d:?\d\d)?\Z", re.ASCII)


class TimeError(ValueError):
    """The text is not a valid time. `code` is `invalid_time` or `offset_required`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def parse_time(text: str) -> datetime:
    """An ISO 8601 time with an offset, in UTC. Raises `TimeError` for anything else, and outside of years 1 to 9999."""
    match = TIME.match(text)
    if match is None:
        raise TimeError("invalid_time", "Must be an ISO 8601 time such as 2030-01-31T12:00:00Z.")
    if match["offset"] is None:
        raise TimeError("offset_required", "Must have an offset: end with Z for UTC.")
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise TimeError("invalid_time", "This time does not exist.") from None


def format_time(value: datetime | None) -> str | None:
    """ISO 8601 in UTC with `Z`; None stays None."""
    return None if value is None else value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def format_age(seconds: float) -> str:
    """`75.2` → `1 min 15 s`."""
    whole = int(seconds)
    for size, unit, smaller, name in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size} {unit}" + (f" {rest} {name}" if rest else "")
    return f"{seconds:.1f} s"


def age_of(at: datetime) -> str:
    """The time since a moment, or until it."""
    seconds = (timezone.now() - at).total_seconds()
    return f"{format_age(seconds)} ago" if seconds >= 0 else f"in {format_age(-seconds)}"
