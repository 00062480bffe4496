"""Postmark. Events: one in a post.

Sources: https://postmarkapp.com/developer/webhooks/webhooks-overview (the records),
https://postmarkapp.com/developer/api/bounce-api#bounce-types (the types of bounces),
https://postmarkapp.com/developer/webhooks/subscription-change-webhook.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from delivery.judging.model import HARD_BOUNCE, NO_MAILBOX, Category
from delivery.judging.terms import Reason
from providers.esp.event_model import EventKind, RawEvent, ReadEvent, read_word
from providers.esp.model import Esp
from providers.esp.repackaging import EspCall, write_mailbox
from providers.esp.signatures import Posted

EVENTS: Mapping[str, EventKind] = {
    "Delivery": EventKind.DELIVERED,
    "Bounce": EventKind.BOUNCED,
    "SpamComplaint": EventKind.COMPLAINED,
    "SubscriptionChange": EventKind.IGNORED,
    "Open": EventKind.OPENED,
    "Click": EventKind.CLICKED,
    "Inbound": EventKind.IGNORED,
}
# The types of the record `Bounce`: returned mail of all kinds.
BOUNCES: Mapping[str, EventKind] = {
    "HardBounce": EventKind.BOUNCED,
    "SoftBounce": EventKind.BOUNCED,
    "Transient": EventKind.DELAYED,
    "DnsError": EventKind.DELAYED,
    "Blocked": EventKind.BOUNCED,
    "SpamNotification": EventKind.BOUNCED,  # refused as spam by a filter, not by a person
    "VirusNotification": EventKind.BOUNCED,
    "DMARCPolicy": EventKind.BOUNCED,
    "BadEmailAddress": EventKind.BOUNCED,
    "Unknown": EventKind.BOUNCED,
    "ManuallyDeactivated": EventKind.LISTED,
    "Unconfirmed": EventKind.FAILED,
    "SMTPApiError": EventKind.FAILED,
    "TemplateRenderingFailed": EventKind.FAILED,
    "SpamComplaint": EventKind.COMPLAINED,
    "Unsubscribe": EventKind.UNSUBSCRIBED,
    "Subscribe": EventKind.IGNORED,
    "AutoResponder": EventKind.IGNORED,
    "AddressChange": EventKind.IGNORED,
    "ChallengeVerification": EventKind.IGNORED,
    "OpenRelayTest": EventKind.IGNORED,
    "InboundError": EventKind.IGNORED,
}
CATEGORIES: Mapping[str, Category] = {
    "HardBounce": HARD_BOUNCE,
    "BadEmailAddress": NO_MAILBOX,
    "Blocked": Category(Reason.BLOCKED),
    "SpamNotification": Category(Reason.SPAM),
    "VirusNotification": Category(Reason.VIRUS),
    "DMARCPolicy": Category(Reason.AUTHENTICATION),
}
# The reasons of a suppression at Postmark. The webhooks of bounces and complaints tell the other reasons.
SUPPRESSED = frozenset({"ManualSuppression", "Unsubscribe"})


def read_event(raw: RawEvent, _posted: Posted) -> Iterable[ReadEvent]:
    record, type_ = read_word(raw, "RecordType"), read_word(raw, "Type")
    name, kind = record, EVENTS.get(record, EventKind.UNKNOWN)
    if record == "Bounce":
        name, kind = f"Bounce {type_}", BOUNCES.get(type_, EventKind.UNKNOWN)
    elif record == "SubscriptionChange" and is_unsubscribe(raw):
        kind = EventKind.UNSUBSCRIBED
    times = ("DeliveredAt", "BouncedAt", "ReceivedAt", "ChangedAt")
    yield ReadEvent(
        name=name,
        kind=kind,
        event_id=raw.get("ID"),
        address=raw.get("Email") or raw.get("Recipient"),
        remote_id=raw.get("MessageID"),
        metadata=raw.get("Metadata"),
        occurred_at=next((raw[time] for time in times if raw.get(time)), None),
        reply=raw.get("Details") or raw.get("Description"),
        category=CATEGORIES.get(type_),
        url=raw.get("OriginalLink"),
        user_agent=raw.get("UserAgent"),
    )


def is_unsubscribe(raw: RawEvent) -> bool:
    """Whether the recipient, not a person at the sender's side, took the address off the stream."""
    is_by_recipient = raw.get("Origin") == "Recipient" and raw.get("SuppressionReason") in SUPPRESSED
    return raw.get("SuppressSending") is True and is_by_recipient


def write_mailboxes(payload: Any, esp_call: EspCall) -> None:
    """Names as they were given; django-anymail's quotes are too few for double spaces."""
    content = esp_call.message
    fields = {
        "From": [content.from_],
        "To": esp_call.to,
        "Cc": esp_call.cc,
        "Bcc": esp_call.bcc,
        "ReplyTo": content.reply_to,
    }
    payload.data |= {name: ", ".join(map(write_mailbox, mailboxes)) for name, mailboxes in fields.items() if mailboxes}


ESP = Esp(
    name="postmark",
    title="Postmark",
    backend="anymail.backends.postmark.EmailBackend",
    needed=("server_token",),
    read_event=read_event,
    possible=("message_stream",),
    secrets=frozenset({"server_token"}),
    takes_silence=True,
    login=("X-Postmark-Server-Token", "{server_token}"),
    probe="server",
    shape=write_mailboxes,
)
