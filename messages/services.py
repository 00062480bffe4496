"""The operations on messages, each in its own transaction: accept, approve, cancel, reschedule, resend."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from accounts.acting_for import Caller
from accounts.idempotency import StoredResponse, Ticket
from common.addresses import Address
from common.errors import ConflictError, FieldError, InvalidFieldsError
from ledger.clock import database_time
from messages.accepting.admission import Admission, Admitted
from messages.accepting.draft import Draft, copy_fields
from messages.accepting.persistence import APPROVAL_TIME, Respond, store_and_respond, store_emails
from messages.attachments import upload
from messages.available_actions import is_allowed
from messages.message_events import record_message_events
from messages.models import (
    Attachment,
    AttachmentContent,
    Message,
    Recipient,
    RecipientField,
    RecipientQuerySet,
    Subject,
)
from messages.search.columns import join_lines
from messages.selectors import BodyPurgedError, check_content
from messages.states import Lane, Status, StatusReason
from messages.tasks import ring
from messages.transitions import Transition, apply_transitions, lock_messages
from tracking.models import EventType
from tracking.suppressions.erased import ERASED_DOMAIN

# The number of emails that one transaction cancels.
GROUP_STEP = 500


class WrongStatusError(ConflictError):
    """The email's status does not allow this operation."""

    def __init__(self, status: str) -> None:
        super().__init__(status=status, errors=[FieldError("status", status, f"The email is {status}.")])


class NotCancellableError(WrongStatusError):
    """Only a scheduled email can be cancelled; this one is {status}."""

    code = "not_cancellable"


class NotReschedulableError(WrongStatusError):
    """Only a scheduled email can be rescheduled; this one is {status}."""

    code = "not_reschedulable"


class NotAwaitingApprovalError(WrongStatusError):
    """This email, which is {status}, does not wait for an approval."""

    code = "not_awaiting_approval"


class NotResendableError(WrongStatusError):
    """This email is still {status}; it can be resent when it has left that state."""

    code = "not_resendable"


class NothingToResendError(ConflictError):
    """No recipient of this email failed or bounced, or all of them are erased."""

    code = "nothing_to_resend"


class ResendRecipients(StrEnum):
    """The recipients of a resend."""

    ALL = "all"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedEmails:
    """Emails that have passed every check and only need their rows."""

    key: Caller
    admitted: Sequence[Admitted]
    uploaded: Mapping[bytes, str]

    def store(self) -> list[Message]:
        """Write all emails or none of them, in the caller's transaction or in a new one."""
        return store_emails(self.key, self.admitted, self.uploaded)

    def store_and_respond(self, respond: Respond, ticket: Ticket | None = None) -> StoredResponse:
        """As `store`; returns the response that `respond` makes, stored with an idempotency key if there is one.

        Raises KeyTakenError if the key was used before.
        """
        return store_and_respond(self.key, self.admitted, self.uploaded, respond, ticket)


def prepare_emails(key: Caller, drafts: Sequence[Draft]) -> PreparedEmails:
    """Check emails and upload their attachments. Raises the ApiError of the first email that is rejected."""
    admission = Admission(key)
    return upload_and_prepare(key, [admission.admit(draft) for draft in drafts])


def upload_and_prepare(key: Caller, admitted: Sequence[Admitted]) -> PreparedEmails:
    files = [file for item in admitted for file in item.draft.attachments]
    return PreparedEmails(key=key, admitted=admitted, uploaded=upload(key.owner_id, files))


def accept(key: Caller, drafts: Sequence[Draft]) -> list[Message]:
    """Check and store all emails or none of them. Raises the ApiError of the first email that is rejected."""
    return prepare_emails(key, drafts).store()


def cancel(message: Message) -> Message:
    """Cancel a scheduled message. After the commit no delivery follows. Raises NotCancellableError."""
    with transaction.atomic():
        lock_messages([message.pk])
        applied = Recipient.objects.filter(message=message).move_to(Status.CANCELLED)
        message.refresh_from_db()
        if not applied:
            raise NotCancellableError(message.status)
        record_message_events(applied, EventType.CANCELLED)
    return message


def cancel_group(messages: QuerySet[Message], record: Callable[[], None]) -> int:
    """Cancel those of `messages` that are scheduled; the result is their number. A repetition does no harm.

    Each transaction cancels a part of them, so that its locks are short; `record` is called in the first one.
    """
    count, done = 0, UUID(int=0)
    scheduled = messages.filter(status=Status.SCHEDULED).order_by("pk").values_list("pk", flat=True)
    while ids := list(scheduled.filter(pk__gt=done)[:GROUP_STEP]):
        with transaction.atomic():
            lock_messages(ids)
            applied = Recipient.objects.filter(message__in=ids).move_to(Status.CANCELLED)
            record_message_events(applied, EventType.CANCELLED)
            if not done.int:
                record()
        count += len({row.message_id for row in applied})
        done = ids[-1]
    return count


def approve(message: Message) -> Message:
    """Let a message that waits for approval leave: at its `scheduled_at`, or at once if that is past or null.

    Raises NotAwaitingApprovalError.
    """
    with transaction.atomic():
        lock_messages([message.pk])
        message.refresh_from_db()
        now = database_time()
        leaves_at = max(message.scheduled_at or now, now)
        status, wait = (Status.SCHEDULED, None) if leaves_at > now else (Status.QUEUED, timedelta(0))
        held = list(select_held(message).filter(expires_at__gt=now).values_list("pk", flat=True))
        applied = apply_transitions(
            [Transition(recipient_id=pk, message_id=message.pk, status=status, wait=wait) for pk in held]
        )
        if not applied:
            raise NotAwaitingApprovalError(message.status)
        if not message.expires_at:
            Recipient.objects.filter(pk__in=held).update(expires_at=leaves_at + settings.EXPIRY_TIME)
        if status is Status.QUEUED:
            record_message_events(applied, EventType.QUEUED)
            transaction.on_commit(lambda: ring(Lane(message.priority)))
        message.refresh_from_db()
    return message


def decline(message: Message) -> Message:
    """Cancel a message that waits for approval. Raises NotAwaitingApprovalError."""
    with transaction.atomic():
        lock_messages([message.pk])
        applied = select_held(message).move_to(Status.CANCELLED, StatusReason.APPROVAL)
        message.refresh_from_db()
        if not applied:
            raise NotAwaitingApprovalError(message.status)
        record_message_events(applied, EventType.CANCELLED)
    return message


def select_held(message: Message) -> RecipientQuerySet:
    """The recipients that wait for approval."""
    return Recipient.objects.filter(message=message, status=Status.SCHEDULED, status_reason=StatusReason.APPROVAL)


def reschedule(message: Message, scheduled_at: datetime) -> Message:
    """Change a scheduled message's time, and with it the default expiry of its recipients.

    Raises NotReschedulableError, or InvalidFieldsError for a time that is not before `expires_at`.
    """
    with transaction.atomic():
        lock_messages([message.pk])
        message.refresh_from_db()
        if not is_allowed("reschedule", message):
            raise NotReschedulableError(message.status)
        if message.expires_at and message.expires_at <= scheduled_at:
            raise InvalidFieldsError([FieldError("scheduled_at", "not_before_expiry", "Must be before expires_at.")])
        if not message.expires_at:
            is_held = message.status_reason == StatusReason.APPROVAL
            patience = APPROVAL_TIME if is_held else settings.EXPIRY_TIME
            Recipient.objects.filter(message=message).update(expires_at=scheduled_at + patience)
        message.scheduled_at = scheduled_at
        message.dated_at = message.dated_at and scheduled_at
        message.save(update_fields=["scheduled_at", "dated_at"])
    return message


def resend(key: Caller, message: Message, selection: ResendRecipients = ResendRecipients.ALL) -> Message:
    """Accept a new message with the content of `message`, which never changes. Opens a transaction if none is open.

    Raises NotResendableError, NothingToResendError, BodyPurgedError, or the errors of `Admission.admit`.
    """
    if not is_allowed("resend", message):
        raise NotResendableError(message.status)
    recipients = message.recipients.order_by("position")
    if selection is ResendRecipients.FAILED:
        recipients = recipients.filter(status__in=[Status.FAILED, Status.BOUNCED])
    keeps_header = selection is ResendRecipients.ALL
    return store_again(key, message, admit_again(key, message, list(recipients), keeps_header=keeps_header))


def resend_to(key: Caller, message: Message, to: Sequence[Address]) -> Message:
    """Accept a new message with the content of `message` to other addresses; Cc and Bcc are left out.

    The original names such copies, and is not written. Raises NotResendableError, or the errors of `Admission.admit`.
    """
    if not is_allowed("resend_to", message):
        raise NotResendableError(message.status)
    admitted = admit_copy(key, message, {RecipientField.TO: to})
    return store_again(key, message, replace(admitted, is_forwarded=True))


def store_again(key: Caller, message: Message, admitted: Admitted) -> Message:
    """Store `admitted`, the second admission of `message`, as a new message with the same attachments."""
    with transaction.atomic():
        # Locked, so that no purge takes the files meanwhile.
        files = list(message.attachments.select_for_update(no_key=True, of=("self",)))
        if any(old.content_id is None for old in files):
            raise BodyPurgedError
        contents = AttachmentContent.objects.defer("data").in_bulk([old.content_id for old in files])
        new = store_emails(key, [admitted], {})[0]
        new.shown_attachments = [
            Attachment(
                message=new,
                content=contents[old.content_id],
                position=old.position,
                filename=old.filename,
                content_type=old.content_type,
                cid=old.cid,
            )
            for old in files
        ]
        Attachment.objects.bulk_create(new.shown_attachments)
        if new.shown_attachments:
            names = join_lines(file.filename for file in new.shown_attachments)
            Subject.objects.filter(pk=new.pk).update(filenames=names)
    return new


def admit_again(
    key: Caller, message: Message, recipients: Sequence[Recipient], *, keeps_header: bool = False
) -> Admitted:
    """Admit the stored content of `message` again for `recipients`, as `admit_copy` does."""
    recipients = [row for row in recipients if row.domain != ERASED_DOMAIN]
    if not recipients:
        raise NothingToResendError
    kinds: dict[str, list[Address]] = {kind: [] for kind in RecipientField}
    for row in recipients:
        kinds[row.kind].append(Address(row.name, row.address, row.domain))
    return admit_copy(key, message, kinds, keeps_header=keeps_header)


def admit_copy(
    key: Caller, message: Message, kinds: Mapping[str, Sequence[Address]], *, keeps_header: bool = False
) -> Admitted:
    """Admit the stored content of `message` again for other recipients: the sender is checked again, times are dropped.

    `kinds` holds the addresses for to, cc and bcc. `keeps_header`: To and Cc show what they showed, even if that was
    others than the recipients. Raises BodyPurgedError if the content is gone.
    """
    check_content(message)
    admitted = Admission(key).admit(
        Draft(
            from_=as_address(message.from_name, message.from_address),
            to=kinds.get(RecipientField.TO, ()),
            cc=kinds.get(RecipientField.CC, ()),
            bcc=kinds.get(RecipientField.BCC, ()),
            reply_to=[as_address(**mailbox) for mailbox in message.reply_to],
            domain_id=message.domain_id,
            **copy_fields(message) | ({} if keeps_header else {"header_recipients": None}),
        ),
    )
    return replace(
        admitted,
        template_id=message.template_id,
        template_version_id=message.template_version_id,
        resent_from_id=message.pk,
    )


def as_address(name: str, address: str) -> Address:
    """Build an address from stored values, which were checked at accept."""
    return Address(name, address, address.rpartition("@")[2])
