"""Mails invitations, as mail of the project through its own queue, and takes their links out of the stored mail."""

from datetime import timedelta
from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from accounts.acting_for import Delegate
from accounts.models import Invitation
from accounts.people.invitations import build_link
from common.addresses import AddressError, parse_address
from common.errors import ApiError
from messages.accepting.draft import Draft
from messages.models import Content, Message
from messages.notices.mail import admit
from messages.services import upload_and_prepare
from messages.states import Status

log = structlog.get_logger(__name__)

BATCH = 100
TAG = "invitation"
# The states in which the mail still has to leave.
OPEN = (Status.SCHEDULED, Status.QUEUED, Status.DELIVERING)
# What is not mailed within this time is not mailed at all: the sender is not usable.
PATIENCE = timedelta(hours=1)


def mail_invitations() -> int:
    """Mail new invitations; returns their number. One that cannot be mailed is tried again for an hour."""
    hide_links()
    since = timezone.now() - PATIENCE
    waiting = Invitation.objects.filter(message_id=None, hidden_at=None, accepted_at=None, created_at__gt=since)
    count = 0
    for pk in list(waiting.order_by("id").values_list("pk", flat=True)[:BATCH]):
        count += mail_one(pk)
    return count


def mail_one(pk: UUID) -> bool:
    with transaction.atomic():
        rows = Invitation.objects.select_related("project").filter(pk=pk, message_id=None)
        invitation = rows.select_for_update(skip_locked=True, of=("self",)).first()
        if invitation is None:
            return False
        caller = Delegate(project=invitation.project)
        try:
            with transaction.atomic():
                message = upload_and_prepare(caller, [admit(caller, write_mail(invitation))]).store()[0]
        except (ApiError, AddressError) as error:
            log.warning("invitation_not_mailed", project_id=str(invitation.project_id), reason=str(error))
            return False
        Invitation.objects.filter(pk=invitation.pk).update(message_id=message.pk)
        return True


def write_mail(invitation: Invitation) -> Draft:
    """The mail with the link. Raises AddressError if NOTICE_FROM is no address."""
    text = (
        f"{invitation.invited_by} invites you to the project {invitation.project.name} at {settings.PUBLIC_URL}, as "
        f"{invitation.role}.\n\nOpen this link within three days, and once:\n\n{build_link(invitation)}\n\n"
        "If you do not expect this, do nothing: nothing happens."
    )
    return Draft(
        from_=parse_address(settings.NOTICE_FROM) if settings.NOTICE_FROM else None,
        to=[parse_address(invitation.email)],
        subject=f"Invitation to {invitation.project.name}",
        text=text,
        tags=[TAG],
        enable_unsubscribe=False,
        expires_at=invitation.expires_at,
    )


def hide_links() -> None:
    """Whoever may read the project's mail must not find a link there: it goes as soon as the mail is on its way."""
    shown = Invitation.objects.filter(hidden_at=None).exclude(message_id=None).order_by("id")[:BATCH]
    open_mail = set(
        Message.objects.filter(pk__in=[row.message_id for row in shown], status__in=OPEN).values_list("pk", flat=True)
    )
    gone = [row for row in shown if row.message_id not in open_mail or row.accepted_at]
    with transaction.atomic():
        mails = Content.objects.filter(message_id__in=[row.message_id for row in gone if row.message_id])
        mails.update(text="The link of this invitation was removed.")
        ended = Q(pk__in=[row.pk for row in gone]) | Q(message_id=None, expires_at__lt=Now())
        Invitation.objects.filter(ended, hidden_at=None).update(hidden_at=Now())
