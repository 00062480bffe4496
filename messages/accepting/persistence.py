"""Writes accepted emails (messages, recipients, attachments, events) in the caller's transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from accounts.acting_for import Caller
from accounts.models import ApiKey
from accounts.streams import lock_streams
from common.ids import timed_ids
from common.text import fold
from delivery.simulator.script import DOMAIN as SIMULATED_DOMAIN
from ledger.rows import insert_rows
from ledger.sql import fetch_value
from messages.accepting.admission import Admitted
from messages.accepting.draft import keep_bodies, keep_fields
from messages.attachments import File, save_contents
from messages.models import Attachment, Content, Message, Recipient, Subject
from messages.states import Lane, Status, StatusReason, roll_up
from messages.tasks import ring
from tracking.events import Fact, record_facts
from tracking.models import EventType, TrackedLinks
from tracking.suppressions.reach import Cause, MailKind
from tracking.suppressions.service import find_suppressed


def store_emails(key: Caller, admitted: Sequence[Admitted], uploaded: Mapping[bytes, str]) -> list[Message]:
    """Insert the rows of each admitted email in the caller's transaction, and wake workers after the commit.

    Returns the messages in order, with their `shown_…` rows filled.
    """
    assert connection.in_atomic_block, "an email is stored whole or not at all"
    now = read_clock()
    lock_streams(key.owner_id, {item.draft.stream for item in admitted})
    addresses = {envelope.address.address for item in admitted for envelope in item.recipients}
    suppressed = find_suppressed(key.owner_id, addresses)
    messages: list[Message] = []
    recipients: list[Recipient] = []
    stops: dict[UUID, Cause] = {}
    for pk, item in zip(timed_ids.take(now, len(admitted)), admitted, strict=True):
        message = build_message(key, pk, item, now)
        rows = build_recipients(message, item, now)
        stops |= stop_suppressed(message, rows, suppressed)
        finish_message(message, rows)
        message.shown_recipients, message.shown_attachments, message.shown_copies = rows, [], []
        messages.append(message)
        recipients += rows
    subjects = [
        Subject(message_id=message.pk, text=fold(message.subject), metadata=message.metadata) for message in messages
    ]
    contents = [build_content(message, item) for message, item in zip(messages, admitted, strict=True)]
    insert_rows(messages, contents, subjects, recipients, list_tracked(messages, admitted))
    store_attachments(key.owner_id, messages, admitted, uploaded)
    record_accepted_events(messages, recipients, stops)
    for lane in {Lane(message.priority) for message in messages if message.status == Status.QUEUED}:
        transaction.on_commit(partial(ring, lane))
    return messages


def build_message(key: Caller, pk: UUID, item: Admitted, now: datetime) -> Message:
    draft = item.draft
    return Message(
        id=pk,
        project_id=key.owner_id,
        api_key=key if isinstance(key, ApiKey) else None,
        is_test=key.is_test,
        from_name=item.sender.name,
        from_address=item.sender.address,
        reply_to=[{"name": address.name, "address": address.address} for address in draft.reply_to],
        domain=item.admitted_sender.domain,
        sender_basis=item.admitted_sender.basis,
        template_id=item.template_id,
        template_version_id=item.template_version_id,
        resent_from_id=item.resent_from_id,
        is_forwarded=item.is_forwarded,
        created_at=now,
        **keep_fields(draft),
    )


def build_content(message: Message, item: Admitted) -> Content:
    return Content(
        message_id=message.pk,
        tracked_places=list(item.tracked.places) if item.tracked else None,
        **keep_bodies(item.draft),
    )


def build_recipients(message: Message, item: Admitted, now: datetime) -> list[Recipient]:
    """Build one row for each recipient."""
    status = Status.SCHEDULED if message.scheduled_at else Status.QUEUED
    expires_at = message.expires_at or (message.scheduled_at or now) + settings.EXPIRY_TIME
    rows = []
    for position, envelope in enumerate(item.recipients):
        is_simulated = message.is_test or envelope.address.domain == SIMULATED_DOMAIN
        rows.append(
            Recipient(
                message=message,
                project_id=message.project_id,
                kind=envelope.kind,
                position=position,
                name=envelope.address.name,
                address=envelope.address.address,
                domain=envelope.address.domain,
                status=status,
                status_reason=StatusReason.NONE,
                lane=message.priority,
                is_simulated=is_simulated,
                sender_id=None if is_simulated else item.admitted_sender.sender_id,
                expires_at=expires_at,
                next_attempt_at=now if status is Status.QUEUED else None,
            )
        )
    return rows


def stop_suppressed(
    message: Message, rows: Sequence[Recipient], suppressed: Mapping[str, Sequence[Cause]]
) -> dict[UUID, Cause]:
    """Give suppressed recipients that status, so that they are never due. Returns the cause of each by recipient id."""
    kind = MailKind.of(message.stream, offers_opt_out=message.enable_unsubscribe, priority=message.priority)
    stops = {}
    for row in rows:
        if cause := kind.find_stop(suppressed.get(row.address.lower(), ())):
            row.status, row.status_reason, row.next_attempt_at = Status.SUPPRESSED, StatusReason.SUPPRESSED, None
            stops[row.pk] = cause
    return stops


def finish_message(message: Message, rows: Sequence[Recipient]) -> None:
    """Set the message's status from its recipients, by the same rule as `transitions.roll_up`."""
    message.status = roll_up({Status(row.status) for row in rows})
    if message.status == Status.FAILED:
        message.status_reason = StatusReason.SUPPRESSED
        message.failed_at = message.created_at
    if message.status == Status.QUEUED:
        message.queued_at = message.created_at


def list_tracked(messages: Sequence[Message], admitted: Sequence[Admitted]) -> list[TrackedLinks]:
    """The target URLs of each message's wrapped links; no row for a message without tracked links."""
    return [
        TrackedLinks(message_id=message.pk, project_id=message.project_id, urls=list(item.tracked.urls))
        for message, item in zip(messages, admitted, strict=True)
        if message.track_clicks and item.tracked and item.tracked.urls
    ]


def store_attachments(
    project_id: UUID, messages: Sequence[Message], admitted: Sequence[Admitted], uploaded: Mapping[bytes, str]
) -> None:
    files: list[File] = [file for item in admitted for file in item.draft.attachments]
    if not files:
        return
    contents = save_contents(project_id, files, uploaded)
    for message, item in zip(messages, admitted, strict=True):
        message.shown_attachments = [
            Attachment(
                message=message,
                content=contents[file.digest],
                position=position,
                filename=file.filename,
                content_type=file.content_type,
                cid=file.content_id,
            )
            for position, file in enumerate(item.draft.attachments)
        ]
    Attachment.objects.bulk_create(row for message in messages for row in message.shown_attachments)


# The first event of an accepted message, by its status. A message with suppressed recipients only has just theirs.
FIRST_EVENTS = {Status.QUEUED: EventType.QUEUED, Status.SCHEDULED: EventType.SCHEDULED}


def record_accepted_events(
    messages: Sequence[Message], recipients: Sequence[Recipient], stops: Mapping[UUID, Cause]
) -> None:
    """Record each message's first event, and one event for each suppressed recipient; `stops` holds its cause."""
    firsts = [
        Fact(project_id=message.project_id, message_id=message.pk, type=FIRST_EVENTS[status])
        for message in messages
        if (status := Status(message.status)) in FIRST_EVENTS
    ]
    suppressed = [
        Fact(
            project_id=row.project_id,
            message_id=row.message_id,
            recipient_id=row.pk,
            address=row.address,
            type=EventType.SUPPRESSED,
            data=stops[row.pk].event_data(),
        )
        for row in recipients
        if row.pk in stops
    ]
    record_facts([*firsts, *suppressed])


def read_clock() -> datetime:
    """The database's time. It alone decides when a recipient is due, not this machine's clock."""
    now: datetime = fetch_value("SELECT now()")
    return now
