"""Look-ups for callers: an email with its recipients, attempts, events and files."""

from typing import Any
from uuid import UUID

from django.db.models import Prefetch, QuerySet
from django.db.models.functions import Lower

from accounts.models import Project
from common.addresses import Address
from common.errors import ConflictError, NotFoundError
from messages.models import Attachment, Attempt, Message, Recipient, RecipientField
from tracking.models import Event

# The email's detail shows the first events; `/events` pages through all of them.
MAX_EVENTS_SHOWN = 100

# The related rows that a list of emails shows, and those that the detail shows.
ROWS: "tuple[Prefetch[Any], ...]" = (
    Prefetch("recipients", Recipient.objects.order_by("position"), to_attr="shown_recipients"),
    Prefetch(
        "attachments",
        Attachment.objects.select_related("content").defer("content__data"),
        to_attr="shown_attachments",
    ),
    Prefetch(
        "resends",
        Message.objects.filter(is_forwarded=True).only("id", "resent_from").order_by("id"),
        to_attr="shown_copies",
    ),
)
DETAILS: "tuple[Prefetch[Any], ...]" = (
    *ROWS,
    Prefetch(
        "shown_recipients__attempts",
        Attempt.objects.select_related("recipient").order_by("id"),
        to_attr="shown_attempts",
    ),
)


class BodyPurgedError(ConflictError):
    """The content of this email is removed: the time for which the project keeps it is over, or it was erased."""

    code = "body_purged"


def check_bodies(message: Message) -> None:
    """Raise BodyPurgedError if the bodies of a message are removed."""
    if message.content.bodies_purged_at is not None:
        raise BodyPurgedError


def check_content(message: Message) -> None:
    """Raise BodyPurgedError if the bodies or a file of a message are removed."""
    check_bodies(message)
    if message.attachments.filter(content=None).exists():
        raise BodyPurgedError


def with_rows(messages: QuerySet[Message]) -> QuerySet[Message]:
    """`messages` with the related rows of a list, without bodies, which may be megabytes."""
    return messages.prefetch_related(*ROWS)


def with_details(messages: QuerySet[Message]) -> QuerySet[Message]:
    """`messages` with the related rows of the detail, except events and bodies."""
    return messages.prefetch_related(*DETAILS)


def find_message(project: Project, pk: UUID) -> Message:
    """The project's message. Raises NotFoundError for an unknown id and for another project's message alike."""
    message = project.messages.filter(pk=pk).first()
    if message is None:
        raise NotFoundError
    return message


def find_detailed(messages: QuerySet[Message], pk: UUID) -> Message:
    """The one of `messages` with everything that the detail shows. Raises NotFoundError."""
    message = with_details(messages.filter(pk=pk)).select_related("content").first()
    if message is None:
        raise NotFoundError
    message.shown_events = list(timeline(pk)[:MAX_EVENTS_SHOWN])
    return message


def find_explained(messages: QuerySet[Message], pk: UUID) -> Message:
    """The one of `messages` with the rows that an explanation needs, without bodies and files. Raises NotFoundError."""
    message = messages.filter(pk=pk).prefetch_related(DETAILS[0], *DETAILS[len(ROWS) :]).first()
    if message is None:
        raise NotFoundError
    return message


def find_recipient(message: Message, address: Address | None) -> Recipient:
    """The recipient with this address (case does not matter), by default the first in `to`. Raises NotFoundError."""
    recipients = message.recipients.order_by("position")
    if address is not None:
        recipients = recipients.alias(lower=Lower("address")).filter(lower=address.address.lower())
    rows = list(recipients)
    if not rows:
        raise NotFoundError
    # A resend may have no recipient in `to`.
    return next((row for row in rows if row.kind == RecipientField.TO), rows[0])


def find_attachment(messages: QuerySet[Message], message_id: UUID, pk: UUID) -> Attachment:
    """The attachment of one of `messages`, with its content. Raises NotFoundError."""
    files = Attachment.objects.select_related("content").filter(message__in=messages.filter(pk=message_id))
    found = files.filter(pk=pk).first()
    if found is None:
        raise NotFoundError
    return found


def timeline(message_id: UUID) -> QuerySet[Event]:
    """A message's events in order. Ids do not give the order: several machines make them, each with its own clock."""
    return Event.objects.filter(message_id=message_id).order_by("serial")
