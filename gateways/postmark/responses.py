"""Our emails in Postmark's form. Sources: https://postmarkapp.com/developer/api/email-api and …/messages-api."""

from collections.abc import Mapping
from typing import Any

from common.times import format_time
from gateways.postmark.errors import OK
from messages.api.responses import format_mailbox
from messages.models import Message, Recipient, RecipientField
from messages.states import Status
from tracking.models import EventType

INACTIVE = "Inactive recipients are on the suppression list."
# Postmark's word for each of our states.
STATUSES: Mapping[str, str] = {
    Status.SCHEDULED: "Scheduled",
    Status.QUEUED: "Queued",
    Status.DELIVERING: "Queued",
    Status.SENT: "Sent",
    Status.DELIVERED: "Sent",
    Status.FAILED: "Failed",
    Status.BOUNCED: "Sent",
    Status.CANCELLED: "Canceled",
}
# Postmark's types of events in a message's details.
EVENTS: Mapping[str, str] = {
    EventType.DELIVERED: "Delivered",
    EventType.DELIVERING: "Transient",
    EventType.OPENED: "Opened",
    EventType.CLICKED: "LinkClicked",
    EventType.BOUNCED: "Bounced",
    EventType.COMPLAINED: "SpamComplaint",
    EventType.UNSUBSCRIBED: "SubscriptionChanged",
}


def show_sent(message: Message, given: Mapping[str, Any]) -> dict[str, Any]:
    """The response to an email that was accepted. `To`, `Cc` and `Bcc` are repeated as they were given.

    Clients read the inactive addresses, which are suppressed, out of the sentence.
    """
    inactive = [row.address.lower() for row in message.shown_recipients if row.status == Status.SUPPRESSED]
    told = f"Message OK, but will not deliver to these inactive addresses: {', '.join(inactive)}. {INACTIVE}"
    copies = {name: given[name] for name in ("Cc", "Bcc") if given.get(name)}
    return {
        "To": given.get("To") or "",
        **copies,
        "SubmittedAt": format_time(message.created_at),
        "MessageID": str(message.pk),
        "ErrorCode": OK,
        "Message": told if inactive else "OK",
    }


def show_details(message: Message, events: list[dict[str, Any]]) -> dict[str, Any]:
    """One email with its bodies and events."""
    bodies = {"HtmlBody": message.content.html, "TextBody": message.content.text}
    return {**show_message(message), **bodies, "MessageEvents": events}


def show_message(message: Message) -> dict[str, Any]:
    """An email in a list."""
    rows = message.shown_recipients
    return {
        "MessageID": str(message.pk),
        "MessageStream": message.stream,
        "From": format_mailbox(message.from_name, message.from_address),
        "To": list_kind(rows, RecipientField.TO),
        "Cc": list_kind(rows, RecipientField.CC),
        "Bcc": list_kind(rows, RecipientField.BCC),
        "Recipients": [row.address for row in rows],
        "Subject": message.subject,
        "Tag": message.tags[0] if message.tags else "",
        "Metadata": message.metadata,
        "ReceivedAt": format_time(message.created_at),
        "Status": STATUSES[message.status],
        "TrackOpens": message.track_opens,
        "TrackLinks": "HtmlOnly" if message.track_clicks else "None",
        "Attachments": [file.filename for file in message.shown_attachments],
        "Sandboxed": message.is_test,
    }


def list_kind(rows: list[Recipient], kind: str) -> list[dict[str, str]]:
    return [{"Email": row.address, "Name": row.name} for row in rows if row.kind == kind]
