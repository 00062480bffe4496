"""Closes projects: keys end at once, mail stops within seconds, and after a time all is deleted.

The mail and the deletion are the work of `messages.lifetimes.ending`, by beat.
"""

from datetime import timedelta

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from accounts.models import ApiKey, Closing, Project
from accounts.services import write_audit
from common.errors import ConflictError

GRACE_DAYS = 30
MOST_GRACE_DAYS = 365


class DeletionBegunError(ConflictError):
    """The project cannot be opened again: its deletion has begun."""

    code = "deletion_begun"


def close_project(actor: str, project: Project, grace_days: int = GRACE_DAYS) -> Closing:
    """Close a project and revoke its keys. Its rows are deleted after the days of grace. A second call changes nothing.

    Mail on its way ends with the reason `project_closed`, but for what a worker is sending just now.
    """
    with transaction.atomic():
        Project.objects.select_for_update(no_key=True).get(pk=project.pk)
        found = Closing.objects.filter(project_id=project.pk).first()
        if found is not None:
            return found
        revoked = ApiKey.objects.filter(project=project, revoked_at=None).update(revoked_at=Now())
        row = Closing.objects.create(
            project_id=project.pk,
            project_name=project.name,
            closed_by=actor[:200],
            delete_at=Now() + timedelta(days=grace_days),
        )
        row.refresh_from_db()
        Project.objects.filter(pk=project.pk).update(closed_at=row.closed_at)
        write_audit(actor, "close_project", project, id=str(project.pk), keys=revoked, grace_days=grace_days)
    project.refresh_from_db()
    return row


def reopen_project(actor: str, project: Project) -> Project:
    """Open a closed project again; its keys stay revoked, and its mail stays stopped. Raises DeletionBegunError."""
    with transaction.atomic():
        row = Closing.objects.select_for_update().filter(project_id=project.pk).first()
        if row is not None:
            if row.step or row.deleted_at:
                raise DeletionBegunError
            row.delete()
            Project.objects.filter(pk=project.pk).update(closed_at=None)
            write_audit(actor, "reopen_project", project, id=str(project.pk))
    project.refresh_from_db()
    return project


def list_due_closings() -> list[Closing]:
    """Closings whose mail is to be stopped, or whose rows are to be deleted, the oldest first."""
    rows = Closing.objects.filter(deleted_at=None)
    return list((rows.filter(stopped_at=None) | rows.filter(delete_at__lte=Now())).order_by(F("id")))
