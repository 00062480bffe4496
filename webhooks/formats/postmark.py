"""Our events in Postmark's form. Source: https://postmarkapp.com/developer/webhooks/webhooks-overview."""

from collections.abc import Mapping
from typing import Any

from common.times import format_time
from webhooks.event_types import EventType
from webhooks.formats.bounce_types import BounceType, find_type
from webhooks.formats.told_event import ToldEvent

TYPES: Mapping[str, str] = {
    EventType.DELIVERING: "Bounce",
    EventType.DELIVERED: "Delivery",
    EventType.BOUNCED: "Bounce",
    EventType.OPENED: "Open",
    EventType.CLICKED: "Click",
    EventType.COMPLAINED: "SpamComplaint",
    EventType.UNSUBSCRIBED: "SubscriptionChange",
}
TRANSIENT = BounceType("Transient", 2, "Message delayed")


def show_event(event: ToldEvent) -> dict[str, Any]:
    """One event. Of several tags, Postmark's form has room for the first."""
    shown = {
        "RecordType": TYPES.get(event.type, event.type),
        "ServerID": 0,
        "MessageStream": event.data.get("stream"),
        "MessageID": event.email_id,
        "Metadata": event.metadata,
        **({"Tag": event.tags[0]} if event.tags else {}),
    }
    return {**shown, **show_details(event)}


def show_details(event: ToldEvent) -> dict[str, Any]:
    """The members of each type."""
    at = format_time(event.at)
    visit = {"Recipient": event.recipient, "ReceivedAt": at, "UserAgent": event.data.get("user_agent", "")}
    match event.type:
        case EventType.DELIVERED:
            return {"Recipient": event.recipient, "DeliveredAt": at, "Details": event.reply}
        case EventType.OPENED:
            return {**visit, "FirstOpen": False, "Platform": "", "Client": {}, "OS": {}, "Geo": {}}
        case EventType.CLICKED:
            link = {"OriginalLink": event.data.get("url", ""), "ClickLocation": "HTML"}
            return {**visit, **link, "Platform": "", "Client": {}, "OS": {}, "Geo": {}}
        case EventType.UNSUBSCRIBED:
            return {
                "Recipient": event.recipient,
                "ChangedAt": at,
                "Origin": "Recipient",
                "SuppressSending": True,
                # Anymail knows an opt-out by this word of Postmark's.
                "SuppressionReason": "ManualSuppression",
            }
        case EventType.DELIVERING:
            return show_bounced(event, TRANSIENT, at)
        case EventType.BOUNCED | EventType.COMPLAINED:
            return show_bounced(event, find_type(event.type, event.data.get("reason")), at)
    return {"Recipient": event.recipient, "ReceivedAt": at}


def show_bounced(event: ToldEvent, kind: BounceType, at: str | None) -> dict[str, Any]:
    """A bounce, a delay or a complaint. `ID` is a number that the event has at each attempt."""
    is_inactive = bool(event.data.get("suppressed")) or event.type == EventType.COMPLAINED
    return {
        "ID": int(event.id.replace("-", "")[-12:], 16),
        "Type": kind.name,
        "TypeCode": kind.code,
        "Name": kind.title,
        "Description": f"{kind.title}.",
        "Details": event.reply,
        "Email": event.recipient,
        "From": event.mail.from_address if event.mail else "",
        "Subject": event.mail.subject if event.mail else "",
        "BouncedAt": at,
        "DumpAvailable": False,
        "Inactive": is_inactive,
        "CanActivate": is_inactive and event.type == EventType.BOUNCED,
    }
