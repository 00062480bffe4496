"""Our events in SendGrid's form, and its signature.

Sources: https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event and
https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features.
"""

import hashlib
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from webhooks.event_types import EventType
from webhooks.formats.told_event import ToldEvent

TYPES: Mapping[str, str] = {
    EventType.SENT: "processed",
    EventType.DELIVERING: "deferred",
    EventType.DELIVERED: "delivered",
    EventType.BOUNCED: "bounce",
    EventType.FAILED: "dropped",
    EventType.SUPPRESSED: "dropped",
    EventType.OPENED: "open",
    EventType.CLICKED: "click",
    EventType.COMPLAINED: "spamreport",
    EventType.UNSUBSCRIBED: "unsubscribe",
}
# SendGrid's words for the reason why a suppressed address got nothing.
DROPPED: Mapping[str, str] = {
    "bounce": "Bounced Address",
    "complaint": "Spam Reporting Address",
    "unsubscribe": "Unsubscribed Address",
}
# The types whose reply is a server's response; the others have it as their reason.
WITH_RESPONSE = frozenset({EventType.DELIVERED, EventType.DELIVERING})

# The order of the group of P-256 (FIPS 186-5, SP 800-186).
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def show_event(event: ToldEvent) -> list[dict[str, Any]]:
    """A list of one event. Metadata are members of it, as SendGrid's `custom_args` are."""
    data = event.data
    shown: dict[str, Any] = {
        "email": event.recipient or None,
        "timestamp": int(event.at.timestamp()),
        "event": TYPES.get(event.type, event.type),
        "sg_event_id": event.id,
        "sg_message_id": event.email_id,
        "smtp-id": event.mail.message_id if event.mail else None,
        "category": event.tags or None,
        "useragent": data.get("user_agent"),
        "ip": data.get("ip"),
        "url": data.get("url"),
        "status": data.get("enhanced_code"),
        "attempt": str(data["attempt"]) if "attempt" in data else None,
        "type": "bounce" if event.type == EventType.BOUNCED else None,
        "response" if event.type in WITH_RESPONSE else "reason": explain(event),
    }
    return [{**event.metadata, **{name: value for name, value in shown.items() if value not in (None, "")}}]


def explain(event: ToldEvent) -> str:
    if event.type == EventType.SUPPRESSED:
        return DROPPED.get(event.reply, event.reply)
    return event.reply


def derive_key(secret: str) -> ec.EllipticCurvePrivateKey:
    """The key pair of an endpoint, made from its secret: so a new secret is a new pair, and nothing else is kept."""
    number = int.from_bytes(hashlib.sha512(b"sendgrid-event-webhook:" + secret.encode()).digest())
    return ec.derive_private_key(number % (ORDER - 1) + 1, ec.SECP256R1())


def write_public_key(secret: str) -> str:
    """The public key as SendGrid shows it: DER in base64, which receivers put between the lines of PEM."""
    public = derive_key(secret).public_key()
    return b64encode(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


def build_signature(secret: str, *, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers with SendGrid's signature: ECDSA with SHA-256 of the timestamp and the body."""
    signature = derive_key(secret).sign(str(timestamp).encode() + body, ec.ECDSA(SHA256()))
    return {
        "X-Twilio-Email-Event-Webhook-Signature": b64encode(signature).decode(),
        "X-Twilio-Email-Event-Webhook-Timestamp": str(timestamp),
    }
