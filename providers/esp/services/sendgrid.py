"""SendGrid. Events: an array in a post.

Source: https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event (the types, the reasons of
`dropped`, and the values of `type` and `bounce_classification` of a bounce).
"""

from base64 import b64decode
from collections.abc import Iterable, Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from delivery.judging.model import HARD_BOUNCE, NO_MAILBOX, Category
from delivery.judging.terms import Reason
from delivery.mime.invitations import CALENDAR, find_invitation
from providers.esp.event_model import EventKind, RawEvent, ReadEvent, join_reply, read_word
from providers.esp.model import Esp
from providers.esp.repackaging import EspCall, EspFile
from providers.esp.signatures import ForgedError, Posted

EVENTS: Mapping[str, EventKind] = {
    "processed": EventKind.ACCEPTED,
    "delivered": EventKind.DELIVERED,
    "deferred": EventKind.DELAYED,
    "bounce": EventKind.BOUNCED,
    "dropped": EventKind.FAILED,
    "spamreport": EventKind.COMPLAINED,
    "unsubscribe": EventKind.UNSUBSCRIBED,
    "group_unsubscribe": EventKind.UNSUBSCRIBED,
    "open": EventKind.OPENED,
    "click": EventKind.CLICKED,
    "group_resubscribe": EventKind.IGNORED,
    "account_status_change": EventKind.IGNORED,
}
# The reasons of `dropped` that name a list of SendGrid's; the others are about the mail or the account.
LISTED = frozenset({"bounced address", "spam reporting address", "unsubscribed address", "invalid"})
# `bounce_classification` of a bounce. Two classes have two names in the documentation. `Unclassified` is none.
CATEGORIES: Mapping[str, Category] = {
    "invalid address": NO_MAILBOX,
    "mailbox unavailable": Category(Reason.MAILBOX_FULL),
    "content": Category(Reason.CONTENT),
    "reputation": Category(Reason.BLOCKED),
    "frequency or volume too high": Category(Reason.TOO_MANY),
    "frequency/volume": Category(Reason.TOO_MANY),
    "technical failure": Category(Reason.SYSTEM),
    "technical": Category(Reason.SYSTEM),
}
# `type` of a bounce without a class. Of another type only the words tell the cause.
TYPES: Mapping[str, Category] = {"bounce": HARD_BOUNCE, "blocked": Category(Reason.BLOCKED)}


def read_event(raw: RawEvent, _posted: Posted) -> Iterable[ReadEvent]:
    name, reason = read_word(raw, "event"), read_word(raw, "reason")
    kind = EVENTS.get(name, EventKind.UNKNOWN)
    if name == "dropped" and reason.lower() in LISTED:
        kind = EventKind.LISTED
    yield ReadEvent(
        name=name,
        kind=kind,
        event_id=raw.get("sg_event_id"),
        address=raw.get("email"),
        remote_id=raw.get("anymail_id") or raw.get("smtp-id"),
        # What goes to SendGrid as unique arguments comes back among the event's fields.
        metadata=raw,
        occurred_at=raw.get("timestamp"),
        reply=join_reply(raw.get("status"), raw.get("response") or reason),
        category=find_category(raw) if name == "bounce" else None,
        url=raw.get("url"),
        user_agent=raw.get("useragent"),
    )


def find_category(raw: RawEvent) -> Category | None:
    """The cause of a bounce: the class, and without one the type.

    SendGrid calls a block temporary and goes on to send to the address, even when the class is `Invalid Address`.
    """
    type_ = read_word(raw, "type")
    if not (classified := read_word(raw, "bounce_classification").lower()):
        return TYPES.get(type_)
    category = CATEGORIES.get(classified)
    return None if category is NO_MAILBOX and type_ == "blocked" else category


def check_signature(key: str, posted: Posted, _now: float) -> None:
    """ECDSA over time and body; `key` is the public one, as SendGrid shows it."""
    public = load_der_public_key(b64decode(key))
    if not isinstance(public, ec.EllipticCurvePublicKey):
        raise ForgedError("the key is of another kind")
    signature = b64decode(posted.headers["x-twilio-email-event-webhook-signature"])
    sent_at = posted.headers["x-twilio-email-event-webhook-timestamp"].encode()
    public.verify(signature, sent_at + posted.body, ec.ECDSA(SHA256()))


def leave_parameters_out(file: EspFile) -> EspFile:
    """SendGrid refuses a type with parameters: "cannot contain ';', or CRLF characters"."""
    file.content_type, file.charset = file.mimetype, None
    return file


def show_invitation(payload: Any, esp_call: EspCall) -> None:
    """An invitation is a content beside text and HTML. Of its type's parameters SendGrid takes the method alone."""
    if invitation := find_invitation(esp_call.message.attachments):
        payload.add_alternative(invitation.text, f"{CALENDAR}; method={invitation.method}")


ESP = Esp(
    name="sendgrid",
    title="SendGrid",
    backend="anymail.backends.sendgrid.EmailBackend",
    needed=("api_key",),
    read_event=read_event,
    possible=("tracking_webhook_verification_key",),
    secrets=frozenset({"api_key"}),
    takes_silence=True,
    taken_status=202,
    event_key="tracking_webhook_verification_key",
    probe="scopes",
    fit_file=leave_parameters_out,
    shape=show_invitation,
    check_signature=check_signature,
)
