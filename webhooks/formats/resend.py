"""Our events in Resend's form. Source: https://resend.com/docs/dashboard/webhooks/event-types."""

import json
from collections.abc import Mapping
from typing import Any

from common.times import format_time
from webhooks.event_types import EventType
from webhooks.formats.told_event import ToldEvent

TYPES: Mapping[str, str] = {
    EventType.SCHEDULED: "email.scheduled",
    EventType.SENT: "email.sent",
    EventType.DELIVERING: "email.delivery_delayed",
    EventType.DELIVERED: "email.delivered",
    EventType.BOUNCED: "email.bounced",
    EventType.FAILED: "email.failed",
    EventType.SUPPRESSED: "email.suppressed",
    EventType.OPENED: "email.opened",
    EventType.CLICKED: "email.clicked",
    EventType.COMPLAINED: "email.complained",
}


def show_event(event: ToldEvent) -> dict[str, Any]:
    """One event. django-anymail reads tags and metadata out of the headers X-Tags and X-Metadata."""
    mail = event.mail
    data: dict[str, Any] = {
        "email_id": event.email_id,
        "created_at": format_time(mail.created_at if mail else event.at),
        "from": mail.sender if mail else "",
        "to": [event.recipient] if event.recipient else [],
        "subject": mail.subject if mail else "",
        "headers": list_headers(event),
        "tags": event.metadata,
        **show_details(event),
    }
    return {"type": TYPES.get(event.type, event.type), "created_at": format_time(event.at), "data": data}


def list_headers(event: ToldEvent) -> list[dict[str, str]]:
    """The email's own headers; where it has none for its tags and its metadata, they are added."""
    given = [(str(name), str(value)) for name, value in (event.mail.headers if event.mail else [])]
    names = {name.lower() for name, _ in given}
    if event.tags and "x-tags" not in names:
        given.append(("X-Tags", json.dumps(event.tags)))
    if event.metadata and "x-metadata" not in names:
        given.append(("X-Metadata", json.dumps(event.metadata)))
    return [{"name": name, "value": value} for name, value in given]


def show_details(event: ToldEvent) -> dict[str, Any]:
    """What Resend tells of single types."""
    data = event.data
    visit = {"ipAddress": data.get("ip"), "timestamp": format_time(event.at), "userAgent": data.get("user_agent")}
    match event.type:
        case EventType.BOUNCED:
            # Anymail knows a bounce by these two words.
            message = f"The recipient's email provider sent a bounce message: {event.reply}"
            kind = "Permanent" if data.get("suppressed") else "Undetermined"
            return {"bounce": {"message": message, "type": kind, "subType": "General"}}
        case EventType.FAILED:
            return {"failed": {"reason": event.reply}}
        case EventType.SUPPRESSED:
            return {"suppressed": {"message": f"The address is suppressed: {event.reply}.", "type": event.reply}}
        case EventType.OPENED:
            return {"open": visit}
        case EventType.CLICKED:
            return {"click": {**visit, "link": data.get("url")}}
    return {}
