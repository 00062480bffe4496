"""Resend. Events: one in a post. Its bounces have the types of Amazon SES.

Source: https://resend.com/docs/webhooks/event-types.
"""

import hmac
import mimetypes
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from typing import Any

from providers.esp.event_model import EventKind, RawEvent, ReadEvent, read_list, read_nested, read_object, read_word
from providers.esp.model import Esp
from providers.esp.repackaging import EspCall, EspFile, write_mailbox
from providers.esp.services.ses import CATEGORIES, LISTED, is_automatic
from providers.esp.signatures import TOLERANCE, Posted, check_age, compare_any

EVENTS: Mapping[str, EventKind] = {
    "email.sent": EventKind.ACCEPTED,
    "email.delivered": EventKind.DELIVERED,
    "email.delivery_delayed": EventKind.DELAYED,
    "email.bounced": EventKind.BOUNCED,
    "email.suppressed": EventKind.LISTED,
    "email.failed": EventKind.FAILED,
    "email.complained": EventKind.COMPLAINED,
    "email.opened": EventKind.OPENED,
    "email.clicked": EventKind.CLICKED,
    "email.scheduled": EventKind.IGNORED,
    "email.received": EventKind.IGNORED,
    # Of the list; the mail that was the cause has its own event.
    "suppression.added": EventKind.IGNORED,
    "suppression.removed": EventKind.IGNORED,
    "contact.created": EventKind.IGNORED,
    "contact.updated": EventKind.IGNORED,
    "contact.deleted": EventKind.IGNORED,
    "domain.created": EventKind.IGNORED,
    "domain.updated": EventKind.IGNORED,
    "domain.deleted": EventKind.IGNORED,
}


def read_event(raw: RawEvent, posted: Posted) -> Iterable[ReadEvent]:
    name, data = read_word(raw, "type"), raw.get("data")
    bounce = read_nested(data, "bounce")
    type_, subtype = read_word(bounce, "type"), read_word(bounce, "subType")
    said = " ".join(text for text in read_list(bounce, "diagnosticCode") if isinstance(text, str))
    kind = EVENTS.get(name, EventKind.UNKNOWN)
    yield ReadEvent(
        name=name,
        kind=EventKind.LISTED if kind is EventKind.BOUNCED and subtype in LISTED else kind,
        # The same for each repetition; `svix-timestamp` is not.
        event_id=posted.headers.get("svix-id"),
        # The events of a mail with several recipients do not tell which one they are about.
        address=None,
        remote_id=read_nested(data, "email_id"),
        metadata=read_metadata(data),
        occurred_at=raw.get("created_at"),
        reply=said
        or read_nested(bounce, "message")
        or read_nested(data, "failed", "reason")
        or read_nested(data, "suppressed", "message"),
        category=CATEGORIES.get((type_, subtype)),
        is_vague=is_automatic(type_, subtype, said),
        url=read_nested(data, "click", "link"),
        user_agent=read_nested(data, "click", "userAgent"),
    )


def read_metadata(data: Any) -> Mapping[str, Any]:
    """Our ids, which go to Resend in a header of the mail."""
    for header in read_list(data, "headers"):
        if read_word(header, "name").lower() == "x-metadata":
            return read_object(read_nested(header, "value"))
    return {}


def check_signature(key: str, posted: Posted, now: float) -> None:
    """HMAC-SHA-256 over id, time and body, of which several may stand in the header (standardwebhooks.com)."""
    secret = b64decode(key.removeprefix("whsec_"))
    sent_id, sent_at = posted.headers["svix-id"], posted.headers["svix-timestamp"]
    check_age(sent_at, now, TOLERANCE)
    signed = b".".join([sent_id.encode(), sent_at.encode(), posted.body])
    expected = b64encode(hmac.digest(secret, signed, "sha256")).decode()
    given = [one.removeprefix("v1,") for one in posted.headers["svix-signature"].split(" ") if one.startswith("v1,")]
    compare_any(expected, given)


def follow_name(file: EspFile) -> EspFile:
    """Resend takes a mail whose file has a type that does not fit its name, and drops it. The name counts there."""
    guessed = mimetypes.guess_type(file.name)[0]
    if guessed and guessed != file.mimetype:
        file.mimetype = file.content_type = guessed
    return file


def write_own_forms(payload: Any, esp_call: EspCall) -> None:
    """Names as they were given; django-anymail's quotes are too few for double spaces.

    Our ids come back in `X-Metadata`; the caller's header of that name in another case would be a second one.
    """
    content = esp_call.message
    fields = {"to": esp_call.to, "cc": esp_call.cc, "bcc": esp_call.bcc, "reply_to": content.reply_to}
    payload.data |= {name: list(map(write_mailbox, mailboxes)) for name, mailboxes in fields.items() if mailboxes}
    payload.data["from"] = write_mailbox(content.from_)
    headers = payload.data["headers"]
    for name in [name for name in headers if name.lower() == "x-metadata" and name != "X-Metadata"]:
        del headers[name]


ESP = Esp(
    name="resend",
    title="Resend",
    backend="anymail.backends.resend.EmailBackend",
    needed=("api_key",),
    read_event=read_event,
    possible=("signing_secret",),
    secrets=frozenset({"api_key", "signing_secret"}),
    names_recipient=False,
    idempotency_header="Idempotency-Key",
    event_key="signing_secret",
    probe="domains",
    fit_file=follow_name,
    shape=write_own_forms,
    check_signature=check_signature,
)
