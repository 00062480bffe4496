"""Starts and ends pauses."""

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from accounts.models import Project
from accounts.services import write_audit
from common.errors import ConflictError
from ledger.unique_values import is_taken
from messages.pause_models import Pause, PauseKind
from messages.pausing.settling import settle_pause
from messages.pausing.state import pause_state
from messages.pausing.values import PauseValue
from providers.services import pause_provider, resume_provider

# The time that a request or a command spends on the mail in the queue; the tick does the rest.
AT_ONCE = timedelta(seconds=2)


class PauseExistsError(ConflictError):
    """This is paused already."""

    code = "pause_exists"


def list_active() -> QuerySet[Pause]:
    """The pauses that hold."""
    return Pause.objects.filter(ended_at=None)


def start_pause(actor: str, project: Project | None, kind: PauseKind, *, value: PauseValue, reason: str = "") -> Pause:
    """Pause mail, or a provider. Raises `PauseExistsError`. Mail that a worker has leased is still sent."""
    return store_pause(
        Pause(project=project, kind=kind, value=value.value, label=value.label, reason=reason, made_by=actor)
    )


def store_pause(pause: Pause, data: Mapping[str, object] | None = None) -> Pause:
    """Store a new pause with its entry of the audit log; a provider is paused with it. Raises `PauseExistsError`."""
    with transaction.atomic():
        once = ("project_id", "kind", "value", "is_by_guard", "only_opt_out", "ended_at")
        if is_taken(pause, **{name: getattr(pause, name) for name in once}):
            raise PauseExistsError
        pause.save(force_insert=True)
        if pause.kind == PauseKind.PROVIDER:
            pause_provider(UUID(pause.value), reason=pause.reason or "paused", pause=None)
        write_audit(pause.made_by, "pause", pause, id=str(pause.pk), reason=pause.reason, **(data or {}))
    pause_state.forget()
    settle_pause(pause, AT_ONCE)
    return pause


def end_pause(actor: str, pause: Pause, *, should_drop: bool = False) -> Pause:
    """End a pause; a second call does nothing. With `should_drop`, its mail in the queue fails first.

    The drop ends what is queued or delivering and not leased as `failed`, reason `dropped`; until all of it has ended
    the pause holds. `settle_pauses` finishes what takes longer than a request may.
    """
    with transaction.atomic():
        found = Pause.objects.select_for_update(of=("self",)).get(pk=pause.pk)
        if found.ended_at is not None:
            return found
        word = "drop_paused" if should_drop else "resume"
        write_audit(actor, word, found, id=str(found.pk))
        found.ended_by = actor
        if should_drop and found.kind != PauseKind.PROVIDER:
            found.dropping_at = found.dropping_at or Now()
        else:
            found.ended_at = Now()
        found.save(update_fields=["ended_by", "dropping_at", "ended_at"])
        if found.kind == PauseKind.PROVIDER:
            resume_provider(UUID(found.value))
    found.refresh_from_db()
    settle_pause(found, AT_ONCE)
    pause_state.forget()
    found.refresh_from_db()
    return found
