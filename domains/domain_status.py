"""The status of a domain, which decides whether a project may send from it, and its transitions after checks."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import TextChoices


class DomainStatus(TextChoices):
    """The status of a domain. A domain in `warning` can send; a `suspended` one cannot until its records are back."""

    PENDING = "pending"
    VERIFIED = "verified"
    WARNING = "warning"
    SUSPENDED = "suspended"


SENDING = frozenset({DomainStatus.VERIFIED, DomainStatus.WARNING})
# The same for SQL.
VERIFIED_STATUSES = ", ".join(f"'{status}'" for status in sorted(SENDING))

# Long enough to repair a zone after a weekend; short enough that the old owner of a sold domain loses it within a week.
SUSPEND_AFTER = timedelta(days=3)

# A pending domain is checked often while its owner is likely to work on it.
PENDING_FRESH = timedelta(days=2)
PENDING_CHECK = timedelta(minutes=15)
CHECK_EVERY = {
    DomainStatus.PENDING: timedelta(days=1),
    DomainStatus.VERIFIED: timedelta(days=1),
    DomainStatus.WARNING: timedelta(hours=1),
    DomainStatus.SUSPENDED: timedelta(hours=1),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainState:
    """`failing_since` is the time of the first check that missed a necessary record; None when all are found."""

    status: DomainStatus
    failing_since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """The result of a check for the domain as a whole.

    `is_sound`: all necessary records exist, by this check or, where the DNS did not respond, by the previous one.
    `is_certain`: the DNS confirmed that a record is missing, so that a suspension is justified.
    """

    is_sound: bool
    is_certain: bool


def next_domain_state(state: DomainState, findings: Findings, now: datetime) -> DomainState:
    """The state after a check that began at `now`."""
    if findings.is_sound:
        return DomainState(status=DomainStatus.VERIFIED)
    match state.status:
        case DomainStatus.VERIFIED if findings.is_certain:
            return DomainState(status=DomainStatus.WARNING, failing_since=now)
        case DomainStatus.WARNING:
            since = state.failing_since or now
            if findings.is_certain and now - since >= SUSPEND_AFTER:
                return DomainState(status=DomainStatus.SUSPENDED, failing_since=since)
            return DomainState(status=DomainStatus.WARNING, failing_since=since)
        case _:
            return state


def check_interval(status: DomainStatus, age: timedelta) -> timedelta:
    """The time from one check to the next, for a domain that was added `age` ago."""
    if status == DomainStatus.PENDING and age < PENDING_FRESH:
        return PENDING_CHECK
    return CHECK_EVERY[status]
