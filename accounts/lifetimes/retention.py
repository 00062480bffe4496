"""The kinds of data that end, and the days for which a project keeps each."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from http import HTTPStatus
from uuid import UUID

from django.db import transaction

from accounts.lifetimes.models import BODIES_DAYS, STATISTICS_DAYS, USUAL_DAYS, Retention
from accounts.models import Project
from accounts.services import write_audit
from common.errors import ApiError
from ledger.clock import database_time

# A hundred years: more would be for good.
MOST_DAYS = 36_500


class InvalidRetentionError(ApiError):
    """{text} is not a time for a kind of data. Write bodies=30 or events=forever. The kinds are {kinds}."""

    code = "invalid_retention"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptDays:
    """Days by kind; None keeps for good. The defaults are those of a project that has set none."""

    bodies: int | None = BODIES_DAYS
    attachments: int | None = BODIES_DAYS
    messages: int | None = USUAL_DAYS
    events: int | None = USUAL_DAYS
    attempts: int | None = USUAL_DAYS
    webhook_log: int | None = USUAL_DAYS
    audit: int | None = USUAL_DAYS
    requests: int | None = BODIES_DAYS
    statistics: int | None = STATISTICS_DAYS
    bounced_suppressions: int | None = None

    def find(self, kind: str) -> int | None:
        days: int | None = getattr(self, kind)
        return days


KINDS = tuple(field.name for field in fields(KeptDays))
DEFAULTS = KeptDays()


def find_kept_days(project_id: UUID) -> KeptDays:
    """The days of a project."""
    row = Retention.objects.filter(project_id=project_id).first()
    return KeptDays(**{kind: getattr(row, kind) for kind in KINDS}) if row else DEFAULTS


def set_kept_days(actor: str, project: Project, days: KeptDays) -> KeptDays:
    """Give a project these days, all of them, and record it in the audit log."""
    values = asdict(days)
    with transaction.atomic():
        Retention.objects.update_or_create(project=project, defaults=values)
        write_audit(actor, "set_retention", project, id=str(project.pk), **values)
    return days


def find_ends(project_id: UUID) -> Mapping[str, datetime]:
    """The time by kind before which a project's data is over; a kind that is kept for good is absent."""
    now, kept = database_time(), find_kept_days(project_id)
    days = {kind: kept.find(kind) for kind in KINDS}
    return {kind: now - timedelta(days=count) for kind, count in days.items() if count is not None}


def find_longest(kind: str) -> int | None:
    """The most days for which any project keeps a kind; None if one keeps it for good."""
    set_days = list(Retention.objects.values_list(kind, flat=True))
    if Project.objects.filter(retention=None).exists() or not set_days:
        set_days.append(DEFAULTS.find(kind))
    return None if None in set_days else max(filter(None, set_days), default=0)


def read_kept(text: str) -> tuple[str, int | None]:
    """`"bodies=30"` → `("bodies", 30)`; `forever` is None. Raises InvalidRetentionError."""
    kind, _, days = text.strip().partition("=")
    is_number = days.isascii() and days.isdigit() and len(days) <= 5 and int(days) <= MOST_DAYS
    if kind not in KINDS or not (is_number or days == "forever"):
        raise InvalidRetentionError(text=text[:80], kinds=", ".join(KINDS))
    return kind, int(days) if is_number else None
