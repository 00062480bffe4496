"""What callers look up: an email with all that is shown of it, its recipients, events and files."""

from typing import Any
from uuid import UUID

from django.db.models import Prefetch, QuerySet
from django.db.models.functions import Lower

from accounts.models import Project
from common.addresses import Address
from common.errors import NotFoundError
from messages.models import Attachment, Attempt, Message, Recipient, RecipientField
from tracking.models import Event

# The detail shows the first ones; `/events` pages through all.
MAX_EVENTS_SHOWN = 100

# What a list shows beside the message, and what the detail shows beside that.
ROWS: "tuple[Prefetch[Any], ...]" = (
    Prefetch("recipients", Recipient.objects.order_by("position"), to_attr="shown_recipients"),
    Prefetch(
        "attachments",
        Attachment.objects.select_related("content").defer("content__data"),
        to_attr="shown_attachments",
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


def with_rows(messages: QuerySet[Message]) -> QuerySet[Message]:
    """Messages with what a list shows: no bodies, they may be megabytes."""
    return messages.defer("html", "text").prefetch_related(*ROWS)


def with_details(messages: QuerySet[Message]) -> QuerySet[Message]:
    """Messages with all that the detail shows but their events."""
    return messages.prefetch_related(*DETAILS)


def find_message(project: Project, pk: UUID) -> Message:
    """The project's message; NotFoundError for another project's as for none."""
    message = project.messages.filter(pk=pk).first()
    if message is None:
        raise NotFoundError
    return message


def find_detailed(project: Project, pk: UUID) -> Message:
    """The project's message with all that the detail shows. NotFoundError."""
    message = with_details(project.messages.filter(pk=pk)).first()
    if message is None:
        raise NotFoundError
    message.shown_events = list(timeline(pk)[:MAX_EVENTS_SHOWN])
    return message


def find_explained(project: Project, pk: UUID) -> Message:
    """The project's message with what an explanation needs: no bodies, no files. NotFoundError."""
    messages = project.messages.filter(pk=pk).defer("html", "text").prefetch_related(DETAILS[0], *DETAILS[len(ROWS) :])
    message = messages.first()
    if message is None:
        raise NotFoundError
    return message


def find_recipient(message: Message, address: Address | None) -> Recipient:
    """The recipient with this address in any case, or without one the first in `to`. NotFoundError."""
    recipients = message.recipients.order_by("position")
    if address is not None:
        recipients = recipients.alias(lower=Lower("address")).filter(lower=address.address.lower())
    rows = list(recipients)
    if not rows:
        raise NotFoundError
    # A resend may have left nobody in `to`.
    return next((row for row in rows if row.kind == RecipientField.TO), rows[0])


def find_attachment(project: Project, message_id: UUID, pk: UUID) -> Attachment:
    """The attachment with its content. NotFoundError."""
    files = Attachment.objects.select_related("content").filter(message__project=project)
    found = files.filter(message_id=message_id, pk=pk).first()
    if found is None:
        raise NotFoundError
    return found


def timeline(message_id: UUID) -> QuerySet[Event]:
    """What happened to a message, in order. Not by id: those are made on several machines, each with its own clock."""
    return Event.objects.filter(message_id=message_id).order_by("serial")
