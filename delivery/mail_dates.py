"""Dates as mail and HTTP write them (RFC 5322, 3.3; RFC 9110, 5.6.7), by strangers."""

from datetime import datetime
from email.utils import parsedate_to_datetime

MAX_LENGTH = 100


def read_mail_date(text: str) -> datetime | None:
    """The date, with its time zone if it names one; None for what is no date.

    The standard library's reader raises a different error for each way in which a date can be wrong: numbers that fit
    no C integer are an OverflowError, and a missing part is a TypeError or an IndexError.
    """
    try:
        return parsedate_to_datetime(text[:MAX_LENGTH])
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
