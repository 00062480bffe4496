"""Times in the API's format."""

import re
from datetime import UTC, datetime, timedelta, timezone

from django.utils import timezone as clock

# RFC 3339, 5.6, and the common forms of ISO 8601-1: without separators, a comma before the fraction, an offset of hours
# alone (so PostgreSQL writes times), a time of hours alone, 24:00 as the end of a day, and a leap second.
TIME = re.compile(
    r"(?P<year>\d{4})(-?)(?P<month>\d\d)\2(?P<day>\d\d)[Tt ]"
    r"(?P<hour>\d\d)(?::?(?P<minute>\d\d)(?::?(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,9}))?)?)?"
    r"(?P<offset>[Zz]|[+-]\d\d(?::?\d\d)?)?\Z",
    re.ASCII,
)


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
        raise TimeError("invalid_time", "Must be a time of RFC 3339 such as 2030-01-31T12:00:00Z.")
    if match["offset"] is None:
        raise TimeError("offset_required", "Must have an offset: end with Z for UTC.")
    try:
        return build_time(match).astimezone(UTC)
    except (ValueError, OverflowError):
        raise TimeError("invalid_time", "This time does not exist.") from None


def build_time(match: re.Match[str]) -> datetime:
    """The moment of a matched text. Raises ValueError or OverflowError for one that does not exist."""
    year, month, day, hour, minute, second = (
        int(match[name] or 0) for name in ("year", "month", "day", "hour", "minute", "second")
    )
    microsecond = int((match["fraction"] or "").ljust(6, "0")[:6])
    extra = timedelta(0)
    if (hour, minute, second, microsecond) == (24, 0, 0, 0):  # ISO 8601-1, 5.3.5.3
        hour, extra = 0, timedelta(days=1)
    elif (minute, second) == (59, 60):  # RFC 3339, 5.7
        second, extra = 59, timedelta(seconds=1)
    return datetime(year, month, day, hour, minute, second, microsecond, read_offset(match["offset"])) + extra


def read_offset(text: str) -> timezone:
    """`Z`, `+02`, `+0200` or `-05:30`."""
    if text in "Zz":
        return UTC
    hours, minutes = int(text[1:3]), int(text[3:].lstrip(":") or 0)
    if minutes > 59:
        raise ValueError("an offset has at most 59 minutes")
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if text[0] == "-" else offset)


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
    seconds = (clock.now() - at).total_seconds()
    return f"{format_age(seconds)} ago" if seconds >= 0 else f"in {format_age(-seconds)}"
