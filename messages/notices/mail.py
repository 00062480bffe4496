"""Sends notices to the contact of their project, as mail of the project through its own queue."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.acting_for import Delegate
from accounts.models import Notice, Project
from common.addresses import AddressError, parse_address
from common.errors import ApiError
from common.ids import least_id_at
from domains.admitted_senders import AdmittedSender, SenderBasis
from messages.accepting.admission import Admission, Admitted, fold_recipients
from messages.accepting.draft import Draft
from messages.services import upload_and_prepare

log = structlog.get_logger(__name__)

# Older notices are not mailed, so that a contact who is added later does not get all past notices.
RECENT = timedelta(days=1)
BATCH = 100
TAG = "notice"


def mail_notices() -> int:
    """Mail new notices, one email for each project. Returns the number of notices.

    Each notice is mailed once: its mark is written in the transaction of the email. A notice that cannot be mailed is
    shown in the admin only, and the log has the reason.
    """
    with transaction.atomic():
        waiting = Notice.objects.filter(mailed_at=None, pk__gte=least_id_at(timezone.now() - RECENT))
        waiting = waiting.exclude(project=None).exclude(project__contact_email="").order_by("id")
        notices = list(waiting.select_related("project").select_for_update(skip_locked=True, of=["self"])[:BATCH])
        by_project: dict[UUID, list[Notice]] = {}
        for notice in notices:
            by_project.setdefault(notice.project_id, []).append(notice)  # type: ignore[arg-type]  # none is None here
        for those in by_project.values():
            mail(those)
        Notice.objects.filter(pk__in=[notice.pk for notice in notices]).update(mailed_at=timezone.now())
    return len(notices)


def mail(notices: Sequence[Notice]) -> None:
    """Accept one email with these notices of one project."""
    project = notices[0].project
    assert project is not None
    caller = Delegate(project=project)
    try:
        draft = send_notices(project, notices)
        with transaction.atomic():
            upload_and_prepare(caller, [admit(caller, draft)]).store()
    except (ApiError, AddressError) as error:
        log.warning("notice_not_mailed", project_id=str(project.pk), count=len(notices), reason=str(error))


def admit(caller: Delegate, draft: Draft) -> Admitted:
    """Admit the notice. The operator's own sender is not checked against the project's domains."""
    if draft.from_ is None:
        return Admission(caller).admit(draft)
    operator = AdmittedSender(basis=SenderBasis.TRUSTED)
    return Admitted(draft=draft, sender=draft.from_, recipients=fold_recipients(draft), admitted_sender=operator)


def send_notices(project: Project, notices: Sequence[Notice]) -> Draft:
    """Build the email with these notices. Raises AddressError if the contact or NOTICE_FROM is not a valid address."""
    first = notices[0].kind.replace("_", " ")
    more = f" and {len(notices) - 1} more" if len(notices) > 1 else ""
    footer = f"You are the contact of the project {project.name} at {settings.PUBLIC_URL}."
    return Draft(
        from_=parse_address(settings.NOTICE_FROM) if settings.NOTICE_FROM else None,
        to=[parse_address(project.contact_email)],
        subject=f"{project.name}: {first}{more}",
        text="\n\n".join([*(notice.text for notice in notices), footer]),
        tags=[TAG],
        enable_unsubscribe=False,
    )
