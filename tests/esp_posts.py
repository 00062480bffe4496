"""Each ESP's event posts and their signatures."""

import hmac
import json
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from uuid import uuid4

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

TOPIC = "arn:aws:sns:eu-west-1:123456789012:mail"
CERTIFICATE_URL = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123abcd.pem"


@dataclass(frozen=True, kw_only=True)
class Mail:
    """The mail that an event is about. `ids` is the metadata that the ESP gives back."""

    remote_id: str
    address: str
    ids: Mapping[str, str]


def write_brevo(kind: str, mail: Mail) -> Any:
    event = {"delivered": "delivered", "bounced": "hard_bounce", "complained": "spam", "opened": "unique_opened"}[kind]
    return {
        "event": event,
        "email": mail.address,
        "id": 26224,
        "ts_epoch": 1534486682000,
        "message-id": mail.remote_id,
        "reason": "550 5.1.1 no such user" if kind == "bounced" else "",
        "X-Mailin-custom": json.dumps(mail.ids),
    }


def write_mailersend(kind: str, mail: Mail) -> Any:
    type_ = {"delivered": "delivered", "bounced": "hard_bounced", "complained": "spam_complaint", "opened": "opened"}[
        kind
    ]
    return {
        "type": f"activity.{type_}",
        "data": {
            "object": "activity",
            "id": uuid4().hex[:24],
            "type": type_,
            "created_at": "2026-01-01T10:00:00.000000Z",
            "email": {"message": {"id": mail.remote_id}, "recipient": {"email": mail.address}},
            "morph": {"object": "recipient_bounce", "reason": "550 5.1.1 no such user"} if kind == "bounced" else None,
        },
    }


def write_mailgun(kind: str, mail: Mail) -> Any:
    event = {"bounced": "failed"}.get(kind, kind)
    return {
        "event-data": {
            "event": event,
            "id": "Ase7i2zsRYeDXztHGENqRA",
            "timestamp": 1521243339.873676,
            "recipient": mail.address,
            "message": {"headers": {"message-id": mail.remote_id.strip("<>")}},
            "user-variables": dict(mail.ids),
            "delivery-status": {"code": 550, "message": "5.1.1 no such user" if kind == "bounced" else "OK"},
            **({"severity": "permanent", "reason": "bounce"} if kind == "bounced" else {}),
        }
    }


def write_mailjet(kind: str, mail: Mail) -> Any:
    event = {"delivered": "sent", "bounced": "bounce", "complained": "spam", "opened": "open"}[kind]
    return [
        {
            "event": event,
            "time": 1433333949,
            "MessageID": int(mail.remote_id or 0) if mail.remote_id.isdigit() else 7,
            "email": mail.address,
            "Payload": json.dumps(mail.ids),
            **({"hard_bounce": True, "error": "user unknown"} if kind == "bounced" else {}),
        }
    ]


def write_postmark(kind: str, mail: Mail) -> Any:
    record = {"delivered": "Delivery", "bounced": "Bounce", "complained": "SpamComplaint", "opened": "Open"}[kind]
    more = {
        "bounced": {"ID": 4323372036854775807, "Type": "HardBounce", "Details": "550 5.1.1 no such user"},
        "complained": {"ID": 42, "Type": "SpamComplaint"},
    }
    return {
        "RecordType": record,
        "MessageID": mail.remote_id,
        "Email" if kind in more else "Recipient": mail.address,
        "DeliveredAt": "2026-01-01T10:00:00Z",
        "Metadata": dict(mail.ids),
        **more.get(kind, {}),
    }


def write_resend(kind: str, mail: Mail) -> Any:
    return {
        "type": f"email.{kind}",
        "created_at": "2026-01-01T10:00:00.000Z",
        "data": {
            "email_id": mail.remote_id,
            "to": [mail.address],
            "headers": [{"name": "X-Metadata", "value": json.dumps(mail.ids)}],
            **(
                {"bounce": {"message": "sent a hard bounce message", "type": "Permanent", "subType": "General"}}
                if kind == "bounced"
                else {}
            ),
        },
    }


def write_sendgrid(kind: str, mail: Mail) -> Any:
    event = {"delivered": "delivered", "bounced": "bounce", "complained": "spamreport", "opened": "open"}[kind]
    return [
        {
            "event": event,
            "email": mail.address,
            "timestamp": 1513299569,
            "sg_event_id": uuid4().hex,
            "anymail_id": mail.remote_id,
            **mail.ids,
            **({"type": "bounce", "status": "5.1.1", "reason": "550 5.1.1 no such user"} if kind == "bounced" else {}),
        }
    ]


def write_ses(kind: str, mail: Mail) -> Any:
    name = {"delivered": "Delivery", "bounced": "Bounce", "complained": "Complaint", "opened": "Open"}[kind]
    detail: dict[str, Any] = {
        "delivered": {"recipients": [mail.address], "smtpResponse": "250 2.0.0 OK"},
        "bounced": {
            "bounceType": "Permanent",
            "bounceSubType": "General",
            "bouncedRecipients": [
                {"emailAddress": mail.address, "diagnosticCode": "smtp; 550 5.1.1 no such user", "status": "5.1.1"}
            ],
        },
        "complained": {"complainedRecipients": [{"emailAddress": mail.address}]},
        "opened": {"userAgent": "Mozilla/5.0"},
    }[kind]
    event = {
        "eventType": name,
        "mail": {
            "messageId": mail.remote_id,
            "destination": [mail.address],
            "tags": {key: [value] for key, value in mail.ids.items()},
        },
        name.lower(): detail,
    }
    return write_sns("Notification", Message=json.dumps(event))


def write_sns(type_: str, **values: str) -> dict[str, str]:
    return {
        "Type": type_,
        "MessageId": str(uuid4()),
        "TopicArn": TOPIC,
        "Timestamp": "2026-01-01T10:00:00.000Z",
        **values,
    }


def write_sparkpost(kind: str, mail: Mail) -> Any:
    event = {"delivered": "delivery", "bounced": "bounce", "complained": "spam_complaint", "opened": "open"}[kind]
    return [
        {
            "msys": {
                "track_event" if kind == "opened" else "message_event": {
                    "type": event,
                    "event_id": uuid4().hex,
                    "timestamp": "1454442600",
                    "transmission_id": mail.remote_id,
                    "raw_rcpt_to": mail.address,
                    "rcpt_meta": dict(mail.ids),
                    **({"bounce_class": "10", "raw_reason": "550 5.1.1 no such user"} if kind == "bounced" else {}),
                }
            }
        }
    ]


WRITERS: Mapping[str, Callable[[str, Mail], Any]] = {
    name.removeprefix("write_"): function
    for name, function in list(globals().items())
    if name.startswith("write_") and name != "write_sns"
}

SVIX_KEY = "whsec_" + b64encode(b"s" * 24).decode()


@cache
def elliptic_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@cache
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def make_certificate(days: int = 1) -> bytes:
    """A certificate for `rsa_key`, as SNS has one at its address."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(rsa_key().public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=10))
        .not_valid_after(now + timedelta(days=days))
        .sign(rsa_key(), hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM)


def sign_sns(message: dict[str, str], *, version: str = "2", url: str = CERTIFICATE_URL) -> dict[str, str]:
    """The message as SNS posts it."""
    shown = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
    asked = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    names = shown if message["Type"] == "Notification" else asked
    signed = "".join(f"{name}\n{message[name]}\n" for name in names if name in message).encode()
    algorithm = hashes.SHA256() if version == "2" else hashes.SHA1()
    signature = rsa_key().sign(signed, padding.PKCS1v15(), algorithm)
    return {
        **message,
        "SignatureVersion": version,
        "Signature": b64encode(signature).decode(),
        "SigningCertURL": url,
    }


@dataclass(frozen=True, kw_only=True)
class Post:
    """A signed webhook."""

    body: bytes
    headers: Mapping[str, str]
    content_type: str = "application/json"


def sign(name: str, event: Any, at: float | None = None) -> Post:
    """`event` as the ESP would post it; with `at`, as it would have then."""
    now = str(int(time.time() if at is None else at))
    if name == "ses":
        return Post(body=json.dumps(sign_sns(event)).encode(), headers={}, content_type="text/plain; charset=UTF-8")
    if name == "mailgun":
        token = uuid4().hex
        signature = hmac.digest(b"mg-key", f"{now}{token}".encode(), "sha256").hex()
        event = {"signature": {"timestamp": now, "token": token, "signature": signature}, **event}
    body = json.dumps(event).encode()
    headers: dict[str, str] = {}
    if name == "mailersend":
        headers["Signature"] = hmac.digest(b"ms-key", body, "sha256").hex()
    elif name == "resend":
        sent_id = f"msg_{uuid4().hex}"
        signed = f"{sent_id}.{now}.".encode() + body
        signature = b64encode(hmac.digest(b"s" * 24, signed, "sha256")).decode()
        headers = {"svix-id": sent_id, "svix-timestamp": now, "svix-signature": f"v1,AAAA v1,{signature}"}
    elif name == "sendgrid":
        signature = b64encode(elliptic_key().sign(now.encode() + body, ec.ECDSA(hashes.SHA256()))).decode()
        headers = {
            "X-Twilio-Email-Event-Webhook-Signature": signature,
            "X-Twilio-Email-Event-Webhook-Timestamp": now,
        }
    elif name in LOGINS:
        headers["Authorization"] = "Basic " + b64encode(b"esp:secret").decode()
    return Post(body=body, headers=headers)


# Those that sign nothing can be told a login.
LOGINS = ("brevo", "mailjet", "postmark", "sparkpost")


@cache
def list_keys(name: str) -> Mapping[str, str]:
    """The settings that the ESP's events are checked with."""
    public = elliptic_key().public_key()
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    keys = {
        "mailersend": {"signing_secret": "ms-key"},
        "mailgun": {"webhook_signing_key": "mg-key"},
        "resend": {"signing_secret": SVIX_KEY},
        "sendgrid": {"tracking_webhook_verification_key": b64encode(der).decode()},
        "ses": {"sns_topics": TOPIC},
    }
    return keys.get(name, {"event_login": "esp:secret"})
