"""The verbs of a message's life, each in its own transaction: accept, cancel, reschedule, resend, settle."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from django.conf import settings
from django.db import transaction

from accounts.acting_for import Caller
from common.addresses import Address
from common.errors import ConflictError, FieldError, InvalidFieldsError
from messages.accepting.admission import Admission, Admitted
from messages.accepting.draft import Draft
from messages.accepting.persistence import store
from messages.attachments import upload
from messages.models import Attachment, Message, Recipient
from messages.sending.outcomes import note, note_messages
from messages.states import Lane, OnUncertain, Reason, Status
from messages.tasks import ring
from messages.transitions import Move, apply_moves, lock_messages
from tracking.models import EventType


class WrongStatusError(ConflictError):
    """The email's status does not allow this."""

    def __init__(self, status: str) -> None:
        super().__init__(status=status, errors=[FieldError("status", status, f"The email is {status}.")])


class NotCancellableError(WrongStatusError):
    """Only a scheduled email can be cancelled; this one is {status}."""

    code = "not_cancellable"


class NotReschedulableError(WrongStatusError):
    """Only a scheduled email can be rescheduled; this one is {status}."""

    code = "not_reschedulable"


class NotResendableError(WrongStatusError):
    """This email is still {status}; it can be sent again when it has left that state."""

    code = "not_resendable"


class NothingToResendError(ConflictError):
    """No recipient of this email failed or bounced."""

    code = "nothing_to_resend"


class NotUncertainError(ConflictError):
    """No recipient of this email is waiting for its uncertain attempt to be settled."""

    code = "not_uncertain"


class Settlement(StrEnum):
    """What a person decides about an attempt whose outcome nobody knows."""

    SENT = "sent"
    RETRY = "retry"
    FAILED = "failed"


# What a settlement makes of the recipient, why, and when it is due again.
SETTLEMENTS: dict[Settlement, tuple[Status, Reason, timedelta | None]] = {
    Settlement.SENT: (Status.SENT, Reason.SETTLED, None),
    Settlement.RETRY: (Status.DELIVERING, Reason.SETTLED, timedelta(0)),
    Settlement.FAILED: (Status.FAILED, Reason.SETTLED, None),
}


class Selection(StrEnum):
    """Whom a resend goes to."""

    ALL = "all"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Emails that have passed every check and only need their rows."""

    key: Caller
    admitted: Sequence[Admitted]
    uploaded: Mapping[bytes, str]

    def store(self) -> list[Message]:
        """Write them, all or none, in the caller's transaction or one of their own."""
        with transaction.atomic():
            return store(self.key, self.admitted, self.uploaded)


def prepare(key: Caller, drafts: Sequence[Draft]) -> Prepared:
    """Check emails and store their attachments' bytes; ApiError for the first that may not be sent."""
    admission = Admission(key)
    return finish(key, [admission.admit(draft) for draft in drafts])


def finish(key: Caller, admitted: Sequence[Admitted]) -> Prepared:
    files = [file for item in admitted for file in item.draft.attachments]
    return Prepared(key=key, admitted=admitted, uploaded=upload(key.project_id, files))


def accept(key: Caller, drafts: Sequence[Draft]) -> list[Message]:
    """Check and store emails, all or none."""
    return prepare(key, drafts).store()


def cancel(message: Message) -> Message:
    """Cancel a scheduled message. Once this has committed no delivery follows; else NotCancellableError."""
    with transaction.atomic():
        lock_messages([message.pk])
        moved = Recipient.objects.filter(message=message).move_to(Status.CANCELLED)
        message.refresh_from_db()
        if not moved:
            raise NotCancellableError(message.status)
        note_messages(moved, EventType.CANCELLED)
    return message


def reschedule(message: Message, scheduled_at: datetime) -> Message:
    """Give a scheduled message another time; its default expiry moves along. Else NotReschedulableError."""
    with transaction.atomic():
        lock_messages([message.pk])
        message.refresh_from_db()
        if message.status != Status.SCHEDULED or message.scheduled_at is None:
            raise NotReschedulableError(message.status)
        if message.expires_at and message.expires_at <= scheduled_at:
            raise InvalidFieldsError([FieldError("scheduled_at", "not_before_expiry", "Must be before expires_at.")])
        if not message.expires_at:
            Recipient.objects.filter(message=message).update(expires_at=scheduled_at + settings.EXPIRY_TIME)
        message.scheduled_at = scheduled_at
        message.save(update_fields=["scheduled_at"])
    return message


def resend(key: Caller, message: Message, selection: Selection = Selection.ALL) -> Message:
    """Accept a new message with the old one's content; the old one never changes. Call it in a transaction or not."""
    if message.status in {Status.QUEUED, Status.SCHEDULED}:
        raise NotResendableError(message.status)
    recipients = message.recipients.order_by("position")
    if selection is Selection.FAILED:
        recipients = recipients.filter(status__in=[Status.FAILED, Status.BOUNCED])
    return store_again(key, message, admit_again(key, message, list(recipients)))


def store_again(key: Caller, message: Message, admitted: Admitted) -> Message:
    """Store `message` as a new one, as it was admitted again, with the files of the old one."""
    with transaction.atomic():
        new = store(key, [admitted], {})[0]
        new.shown_attachments = [
            Attachment(
                message=new,
                content=old.content,
                position=old.position,
                filename=old.filename,
                content_type=old.content_type,
                cid=old.cid,
            )
            for old in message.attachments.select_related("content").defer("content__data")
        ]
        Attachment.objects.bulk_create(new.shown_attachments)
    return new


def admit_again(key: Caller, message: Message, recipients: Sequence[Recipient]) -> Admitted:
    """The message as a new draft: what was rendered then, the sender checked anew. Its times are not copied."""
    if not recipients:
        raise NothingToResendError
    kinds: dict[str, list[Address]] = {kind: [] for kind in Recipient.Kind}
    for row in recipients:
        kinds[row.kind].append(Address(row.name, row.address, row.domain))
    admitted = Admission(key).admit(
        Draft(
            from_=as_address(message.from_name, message.from_address),
            to=kinds[Recipient.Kind.TO],
            cc=kinds[Recipient.Kind.CC],
            bcc=kinds[Recipient.Kind.BCC],
            reply_to=[as_address(**mailbox) for mailbox in message.reply_to],
            subject=message.subject,
            html=message.html,
            text=message.text,
            domain_id=message.domain_id,
            track_opens=message.track_opens,
            track_clicks=message.track_clicks,
            enable_unsubscribe=message.enable_unsubscribe,
            headers=message.headers,
            tags=message.tags,
            metadata=message.metadata,
            priority=Lane(message.priority),
            on_uncertain=OnUncertain(message.on_uncertain),
        ),
    )
    return replace(
        admitted,
        template_id=message.template_id,
        template_version_id=message.template_version_id,
        resent_from_id=message.pk,
    )


def as_address(name: str, address: str) -> Address:
    """An address that was checked when it was stored."""
    return Address(name, address, address.rpartition("@")[2])


def settle(message: Message, settlement: Settlement) -> Message:
    """A person's word on uncertain attempts: sent, to be tried again, or failed. NotUncertainError without any."""
    with transaction.atomic():
        lock_messages([message.pk])
        uncertain = Recipient.objects.filter(
            message=message, status=Status.DELIVERING, status_reason=Reason.UNCERTAIN, lease_token=None
        )
        status, reason, wait = SETTLEMENTS[settlement]
        moved = apply_moves(
            [
                Move(recipient_id=pk, message_id=message.pk, status=status, reason=reason, wait=wait)
                for pk in uncertain.values_list("pk", flat=True)
            ]
        )
        if not moved:
            raise NotUncertainError
        note(
            [row for row in moved if row.status is not Status.DELIVERING],
            {row.recipient_id: {"reason": Reason.SETTLED, "as": settlement} for row in moved},
        )
        message.refresh_from_db()
        if settlement is Settlement.RETRY:
            transaction.on_commit(lambda: ring(Lane(message.priority)))
    return message
