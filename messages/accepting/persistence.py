"""Makes the rows of accepted emails (messages, recipients, attachments, events) and stores them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property, partial
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from accounts.acting_for import Caller
from accounts.idempotency import KeptAnswer, KeyTakenError, StoredResponse, Ticket
from accounts.models import ApiKey
from accounts.streams import unknown_stream
from common.ids import timed_ids
from common.text import fold
from ledger.clock import database_time
from ledger.rows import new_row
from ledger.telemetry.families import EMAILS_ACCEPTED
from ledger.telemetry.spans import note_accept
from messages.accepting.admission import Admitted
from messages.accepting.combining import Combiner, Share
from messages.accepting.doors import find_door
from messages.accepting.draft import keep_bodies, keep_fields
from messages.accepting.statement import Condition, Listed, NewRows, store
from messages.attachments import File, NewFiles
from messages.models import Attachment, AttachmentContent, Content, Message, Recipient, Subject
from messages.search.columns import build_columns
from messages.states import Lane, Status, StatusReason, roll_up
from messages.tasks import ring
from tracking.events import Fact
from tracking.models import EventType, TrackedLinks
from tracking.new_events import NewFact, show_message
from tracking.suppressions.erased import join_by_address, map_stored_forms
from tracking.suppressions.reach import Cause, MailKind
from webhooks.tasks import ring as ring_webhooks

# The list of suppressed addresses would have to change between two round trips, as many times.
MAX_TRIES = 20
TEST_LABELS = {False: "false", True: "true"}
# Mail that nobody has approved this long after it was to leave is cancelled, unless it has an expiry of its own.
APPROVAL_TIME = timedelta(days=7)
# Makes the response from the messages, before they are stored: it is stored with them.
Respond = Callable[[Sequence[Message]], StoredResponse]

combiner = Combiner()


@dataclass(frozen=True, kw_only=True)
class Batch:
    """The emails of one request, with their ids and time."""

    key: Caller
    admitted: Sequence[Admitted]
    uploaded: Mapping[bytes, str]
    ids: Sequence[UUID]
    now: datetime

    @property
    def addresses(self) -> set[str]:
        return {envelope.address.address for item in self.admitted for envelope in item.recipients}

    @cached_property
    def stored_forms(self) -> Mapping[str, str]:
        """The forms in which the suppression list may hold the addresses, with the address of each."""
        return map_stored_forms(self.key.owner_id, self.addresses)

    @property
    def files(self) -> list[File]:
        return [file for item in self.admitted for file in item.draft.attachments]


def store_emails(key: Caller, admitted: Sequence[Admitted], uploaded: Mapping[bytes, str]) -> list[Message]:
    """Insert the rows of each admitted email by one statement, and wake workers after the commit.

    Returns the messages in order, with their `shown_…` rows filled. Raises InvalidFieldsError with the code
    `unknown_stream` if a stream was deleted meanwhile.
    """
    messages: list[Message] = []

    def keep_messages(stored: Sequence[Message]) -> StoredResponse:
        messages[:] = stored
        return StoredResponse(status=0, body=None)

    store_and_respond(key, admitted, uploaded, keep_messages)
    return messages


def store_and_respond(
    key: Caller,
    admitted: Sequence[Admitted],
    uploaded: Mapping[bytes, str],
    respond: Respond,
    ticket: Ticket | None = None,
) -> StoredResponse:
    """As `store_emails`; returns the response that `respond` makes, which is stored with the request's idempotency key.

    Raises KeyTakenError, and has stored nothing, if the key was used before.
    """
    now = database_time()
    ids = timed_ids.take(now, len(admitted))
    batch = Batch(key=key, admitted=admitted, uploaded=uploaded, ids=ids, now=now)
    files = NewFiles(project_id=key.owner_id, files=batch.files, uploaded=uploaded) if batch.files else None
    streams = {item.draft.stream for item in admitted}
    listed: Listed = {}
    # Otherwise the statement is a transaction by itself, and is committed when it ends.
    is_within = connection.in_atomic_block
    for _ in range(MAX_TRIES):
        rows = build_rows(batch, join_by_address(listed, batch.stored_forms))
        condition = Condition(
            project_id=key.owner_id,
            is_test=key.is_test,
            addresses=batch.stored_forms,
            streams=streams,
            listed=listed,
        )
        response = respond(rows.messages)
        answers = [KeptAnswer(ticket=ticket, response=response)] if ticket else []
        if files or is_within:
            result = store(condition, rows, files, answers)
        else:
            result = combiner.store(Share(condition, rows, answers))
        if result.is_stored:
            finish = partial(finish_accepting, find_door(), rows.messages, has_posts=result.has_posts)
            if is_within:
                transaction.on_commit(finish)
            else:
                finish()
            return response
        if result.is_key_taken:
            raise KeyTakenError
        if result.missing_streams:
            raise unknown_stream(result.missing_streams[0], streams.difference(result.missing_streams))
        listed = result.listed
    raise RuntimeError("the suppression list never stays as it is")


def finish_accepting(door: str, messages: Sequence[Message], *, has_posts: bool) -> None:
    """After the commit: count the emails, and wake workers."""
    for message in messages:
        EMAILS_ACCEPTED.add(door, message.priority, TEST_LABELS[message.is_test])
    if settings.IS_TRACED:
        trace_accept(door, messages)
    for lane in {Lane(message.priority) for message in messages if message.status == Status.QUEUED}:
        ring(lane)
    if has_posts:
        ring_webhooks()


def trace_accept(door: str, messages: Sequence[Message]) -> None:
    for message in messages:
        began_at = message.created_at.timestamp()
        note_accept(message.pk, began_at, project_id=message.project_id, door=door, lane=message.priority)


def build_rows(batch: Batch, listed: Listed) -> NewRows:
    """All rows of the emails, if `listed` are the entries of their addresses on the suppression list."""
    messages, recipients, attachments, facts = [], [], [], []
    for pk, item in zip(batch.ids, batch.admitted, strict=True):
        message = build_message(batch.key, pk, item, batch.now)
        rows = build_recipients(message, item, batch.now, is_held=batch.key.hold_for_approval)
        stops = stop_suppressed(message, rows, listed)
        finish_message(message, rows)
        message.shown_recipients, message.shown_copies = rows, []
        message.shown_attachments = build_attachments(message, item)
        messages.append(message)
        recipients += rows
        attachments += message.shown_attachments
        facts += build_facts(message, rows, stops)
    return NewRows(
        messages=messages,
        contents=[build_content(*pair) for pair in zip(messages, batch.admitted, strict=True)],
        subjects=[build_subject(each) for each in messages],
        recipients=recipients,
        links=list_tracked(messages, batch.admitted),
        facts=facts,
        attachments=attachments,
    )


def build_message(key: Caller, pk: UUID, item: Admitted, now: datetime) -> Message:
    draft = item.draft
    return new_row(
        Message,
        id=pk,
        project_id=key.owner_id,
        api_key_id=key.id if isinstance(key, ApiKey) else None,
        is_test=key.is_test,
        from_name=item.sender.name,
        from_address=item.sender.address,
        reply_to=[{"name": address.name, "address": address.address} for address in draft.reply_to],
        domain_id=item.admitted_sender.domain.pk if item.admitted_sender.domain else None,
        sender_basis=item.admitted_sender.basis,
        template_id=item.template_id,
        template_version_id=item.template_version_id,
        resent_from_id=item.resent_from_id,
        is_forwarded=item.is_forwarded,
        created_at=now,
        dated_at=(draft.scheduled_at or now) if key.hold_for_approval else None,
        **keep_fields(draft),
    )


def build_content(message: Message, item: Admitted) -> Content:
    return new_row(
        Content,
        message_id=message.id,
        tracked_places=list(item.tracked.places) if item.tracked else None,
        **keep_bodies(item.draft),
    )


def build_subject(message: Message) -> Subject:
    """What is searched of a message, from its rows."""
    return new_row(
        Subject,
        message_id=message.id,
        text=fold(message.subject),
        metadata=message.metadata,
        **build_columns(
            sender=message.from_address,
            addresses=[row.address for row in message.shown_recipients],
            tags=message.tags,
            filenames=[file.filename for file in message.shown_attachments],
            metadata=message.metadata,
        ),
    )


def build_recipients(message: Message, item: Admitted, now: datetime, *, is_held: bool) -> list[Recipient]:
    """Build one row for each recipient. `is_held`: they wait for a person's approval."""
    status = Status.SCHEDULED if message.scheduled_at or is_held else Status.QUEUED
    patience = APPROVAL_TIME if is_held else settings.EXPIRY_TIME
    expires_at = message.expires_at or (message.scheduled_at or now) + patience
    rows = []
    for position, envelope in enumerate(item.recipients):
        rows.append(
            new_row(
                Recipient,
                message_id=message.id,
                project_id=message.project_id,
                kind=envelope.kind,
                position=position,
                name=envelope.address.name,
                address=envelope.address.address,
                domain=envelope.address.domain,
                status=status,
                status_reason=StatusReason.APPROVAL if is_held else StatusReason.NONE,
                lane=message.priority,
                is_simulated=message.is_test,
                sender_id=None if message.is_test else item.admitted_sender.sender_id,
                expires_at=expires_at,
                next_attempt_at=now if status is Status.QUEUED else None,
            )
        )
    return rows


def stop_suppressed(message: Message, rows: Sequence[Recipient], listed: Listed) -> dict[UUID, Cause]:
    """Give suppressed recipients that status, so that they are never due. Returns the cause of each by recipient id."""
    kind = MailKind.of(message.stream, offers_opt_out=message.enable_unsubscribe, priority=message.priority)
    stops = {}
    for row in rows:
        if cause := kind.find_stop(listed.get(row.address.lower(), ())):
            row.status, row.status_reason, row.next_attempt_at = Status.SUPPRESSED, StatusReason.SUPPRESSED, None
            stops[row.id] = cause
    return stops


def finish_message(message: Message, rows: Sequence[Recipient]) -> None:
    """Set the message's status from its recipients, by the same rule as `transitions.roll_up`."""
    message.status = roll_up({Status(row.status) for row in rows})
    if message.status == Status.FAILED:
        message.status_reason = StatusReason.SUPPRESSED
        message.failed_at = message.created_at
    if message.status == Status.SCHEDULED and any(row.status_reason == StatusReason.APPROVAL for row in rows):
        message.status_reason = StatusReason.APPROVAL
    if message.status == Status.QUEUED:
        message.queued_at = message.created_at


def list_tracked(messages: Sequence[Message], admitted: Sequence[Admitted]) -> list[TrackedLinks]:
    """The target URLs of each message's wrapped links; no row for a message without tracked links."""
    return [
        TrackedLinks(message_id=message.id, project_id=message.project_id, urls=list(item.tracked.urls))
        for message, item in zip(messages, admitted, strict=True)
        if message.track_clicks and item.tracked and item.tracked.urls
    ]


def build_attachments(message: Message, item: Admitted) -> list[Attachment]:
    """The attachments; their contents may be rows of the project already, with other ids."""
    return [
        Attachment(
            message_id=message.id,
            content=AttachmentContent(project_id=message.project_id, sha256=file.digest, size=file.size),
            position=position,
            filename=file.filename,
            content_type=file.content_type,
            cid=file.content_id,
        )
        for position, file in enumerate(item.draft.attachments)
    ]


# The first event of an accepted message, by its status. A message with suppressed recipients only has just theirs.
FIRST_EVENTS: Mapping[str, EventType] = {Status.QUEUED: EventType.QUEUED, Status.SCHEDULED: EventType.SCHEDULED}


def build_facts(message: Message, rows: Sequence[Recipient], stops: Mapping[UUID, Cause]) -> list[NewFact]:
    """The message's first event, and one for each suppressed recipient; `stops` holds its cause."""
    facts = [
        Fact(
            project_id=row.project_id,
            message_id=row.message_id,
            recipient_id=row.id,
            address=row.address,
            type=EventType.SUPPRESSED,
            data=stops[row.id].event_data(),
        )
        for row in rows
        if row.id in stops
    ]
    if first := FIRST_EVENTS.get(message.status):
        facts.insert(0, Fact(project_id=message.project_id, message_id=message.id, type=first))
    shown = show_message(stream=message.stream, is_test=message.is_test, tags=message.tags, metadata=message.metadata)
    return [
        NewFact(
            fact=fact,
            rank=rank,
            status=Status.SUPPRESSED if fact.recipient_id else message.status,
            email_status=message.status,
            shown=shown,
        )
        for rank, fact in enumerate(facts, start=1)
    ]
