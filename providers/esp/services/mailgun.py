"""Mailgun: it takes our own bytes. Events: one in a post.

Sources: https://documentation.mailgun.com/docs/mailgun/user-manual/events/event-types and
https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/webhooks (the types),
https://github.com/mailgun/mailgun-go/blob/master/events/enums.go (the reasons of `failed`; the pages have some).
"""

import hmac
import json
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from delivery.judging.model import HARD_BOUNCE, Category
from delivery.judging.terms import Reason
from providers.esp.event_model import EventKind, RawEvent, ReadEvent, join_reply, read_nested, read_word
from providers.esp.model import Esp
from providers.esp.repackaging import EspCall
from providers.esp.signatures import Posted, check_age, compare_any

# Mailgun tries for eight hours, and signs only a time and a number used once: what is older is no try of its own, and
# its number may be forgotten here.
MAILGUN_AGE = timedelta(days=1)


EVENTS: Mapping[str, EventKind] = {
    "accepted": EventKind.ACCEPTED,
    "delivered": EventKind.DELIVERED,
    "failed": EventKind.BOUNCED,
    "rejected": EventKind.FAILED,  # by Mailgun itself
    "complained": EventKind.COMPLAINED,
    "unsubscribed": EventKind.UNSUBSCRIBED,
    "opened": EventKind.OPENED,
    "clicked": EventKind.CLICKED,
    "stored": EventKind.IGNORED,  # incoming mail
    "email_validation": EventKind.IGNORED,
    "list_member_uploaded": EventKind.IGNORED,
    "list_member_upload_error": EventKind.IGNORED,
    "list_uploaded": EventKind.IGNORED,
}
# The reasons of `failed` that name a cause; `generic` and `hardfail` name none.
CATEGORIES: Mapping[str, Category] = {
    "bounce": HARD_BOUNCE,
    "espblock": Category(Reason.BLOCKED),
    "greylisted": Category(Reason.GREYLISTED),
    "old": Category(Reason.EXPIRED),  # tried for too long
}
# Mailgun's own codes for an address on a list of its own: bounced, unsubscribed or complained before.
LISTED_CODES = frozenset({605, 606, 607})


def read_event(raw: RawEvent, _posted: Posted) -> Iterable[ReadEvent]:
    data = raw.get("event-data")
    name, status = read_word(data, "event"), read_nested(data, "delivery-status")
    code = read_nested(status, "code")
    remote_id = read_word(data, "message", "headers", "message-id")
    yield ReadEvent(
        name=name,
        kind=judge_failure(data) if name == "failed" else EVENTS.get(name, EventKind.UNKNOWN),
        # The event's own id is unique for a day only. The token is signed, and so new for each event.
        event_id=read_nested(raw, "signature", "token"),
        address=read_nested(data, "recipient"),
        remote_id=remote_id if not remote_id or remote_id.startswith("<") else f"<{remote_id}>",
        metadata=read_nested(data, "user-variables"),
        occurred_at=read_nested(data, "timestamp"),
        reply=join_reply(
            code if isinstance(code, int) and code < 600 else None,
            read_nested(status, "enhanced-code"),
            read_nested(status, "message")
            or read_nested(status, "description")
            or read_nested(data, "reject", "reason"),
        ),
        category=CATEGORIES.get(read_word(data, "reason")),
        url=read_nested(data, "url"),
        user_agent=read_nested(data, "client-info", "user-agent"),
    )


def judge_failure(data: object) -> EventKind:
    """The kind of a `failed` event: a temporary failure is tried again, an address on Mailgun's lists not at all."""
    if read_word(data, "severity") == "temporary":
        return EventKind.DELAYED
    is_listed = read_nested(data, "delivery-status", "code") in LISTED_CODES
    return EventKind.LISTED if is_listed or read_word(data, "reason").startswith("suppress-") else EventKind.BOUNCED


def check_signature(key: str, posted: Posted, now: float) -> None:
    """HMAC-SHA-256, as hex, over a time and a token, which stand in the body."""
    block = json.loads(posted.body)["signature"]
    sent_at, token = str(block["timestamp"]), str(block["token"])
    check_age(sent_at, now, MAILGUN_AGE)
    expected = hmac.digest(key.encode(), f"{sent_at}{token}".encode(), "sha256").hex()
    compare_any(expected, [str(block["signature"])])


def use_our_bytes(payload: Any, esp_call: EspCall) -> None:
    domain = payload.sender_domain or ""
    kept = {name: value for name, value in payload.data.items() if name.startswith("o:")}
    payload.data = {**kept, "to": [mailbox.address for mailbox in esp_call.to]}
    payload.files = [("message", ("message.mime", esp_call.content, "message/rfc822"))]
    payload.get_api_endpoint = lambda: f"{quote(domain, safe='')}/messages.mime"


ESP = Esp(
    name="mailgun",
    title="Mailgun",
    backend="anymail.backends.mailgun.EmailBackend",
    needed=("api_key",),
    read_event=read_event,
    possible=("sender_domain", "webhook_signing_key"),
    secrets=frozenset({"api_key", "webhook_signing_key"}),
    takes_envelope=True,
    takes_raw=True,
    takes_silence=True,
    event_key="webhook_signing_key",
    login=("Authorization", "Basic api:{api_key}"),
    probe="domains",
    check_signature=check_signature,
    signs_event_id=True,
    shape=use_our_bytes,
)
