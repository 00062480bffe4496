"""Stores the limits of projects and keys, see `accounts.models.Limits`."""

from dataclasses import asdict, dataclass

from django.db import transaction

from accounts.models import ApiKey, KeyLimits, Limits, Project, ProjectLimits
from accounts.services import write_audit


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitValues:
    """Requests by second; messages (not recipients) by second, and by day and month in UTC. None: no limit."""

    requests_per_second: int | None = None
    messages_per_second: int | None = None
    messages_per_day: int | None = None
    messages_per_month: int | None = None


# The limits of a project and of a key that nobody has set: above what one machine reaches.
DEFAULT_LIMITS = LimitValues(requests_per_second=5_000, messages_per_second=50_000)
NAMES = tuple(asdict(DEFAULT_LIMITS))


def find_limits(owner: Project | ApiKey) -> LimitValues:
    """The limits of a project, or of a key by itself."""
    row: Limits | None
    if isinstance(owner, Project):
        row = ProjectLimits.objects.filter(project=owner).first()
    else:
        row = KeyLimits.objects.filter(api_key=owner).first()
    return LimitValues(**{name: getattr(row, name) for name in NAMES}) if row else DEFAULT_LIMITS


def set_limits(actor: str, owner: Project | ApiKey, limits: LimitValues) -> LimitValues:
    """Give a project or a key these limits, all of them, and record it in the audit log."""
    values = asdict(limits)
    with transaction.atomic():
        if isinstance(owner, Project):
            ProjectLimits.objects.update_or_create(project=owner, defaults=values)
        else:
            KeyLimits.objects.update_or_create(api_key=owner, defaults=values)
        write_audit(actor, "set_limits", owner, id=str(owner.pk), **values)
    return limits


def copy_limits(old: ApiKey, new: ApiKey) -> None:
    """Give a key the limits of the one that it replaces."""
    row = KeyLimits.objects.filter(api_key=old).first()
    if row is not None:
        KeyLimits.objects.create(api_key=new, **{name: getattr(row, name) for name in NAMES})
