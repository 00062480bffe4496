"""Whether a project may send from a domain, and how that follows from the checks of its records."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import TextChoices


class DomainStatus(TextChoices):
    """`warning` still sends; `suspended` does not, until the records are back."""

    PENDING = "pending"
    VERIFIED = "verified"
    WARNING = "warning"
    SUSPENDED = "suspended"


SENDING = frozenset({DomainStatus.VERIFIED, DomainStatus.WARNING})

# Long enough to mend a zone after a weekend; an owner who sold the domain has it back within a working week.
SUSPEND_AFTER = timedelta(days=3)

# A domain that waits for its owner is looked at often while its owner is likely to be at work on it.
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
    """`failing_since` is set from the first check that misses a necessary record until one that finds it again."""

    status: DomainStatus
    failing_since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What a check means for the domain as a whole.

    `is_sound`: the necessary records stand, by this check or, where the DNS did not answer it, by the one before.
    `is_certain`: the DNS answered for what is missing, so that a suspension may rest on it.
    """

    is_sound: bool
    is_certain: bool


def next_domain_state(state: DomainState, findings: Findings, now: datetime) -> DomainState:
    """The standing after a check that began at `now`."""
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
    """How long after a check the next one is due, for a domain that was added `age` ago."""
    if status == DomainStatus.PENDING and age < PENDING_FRESH:
        return PENDING_CHECK
    return CHECK_EVERY[status]
