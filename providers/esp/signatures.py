"""Whether an ESP's event webhook is from the ESP: each signs in a way of its own, over the raw body.

Where a signature's time is that of the very try, it may be five minutes off. An older one is a replay, unless the ESP
repeats what it once signed: then the event's id makes the repetition harmless.
"""

import hmac
import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from time import time

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

TOLERANCE = timedelta(minutes=5)
# Mailgun tries for eight hours, and signs only a time and a number used once: what is older is no try of its own, and
# its number may be forgotten here.
MAILGUN_AGE = timedelta(days=1)


class ForgedError(Exception):
    """The signature is missing or wrong, or too old. Says which, and nothing of what was expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """A webhook as it came; names of headers in lower case."""

    body: bytes
    headers: Mapping[str, str]


def check_signature(esp: str, key: str, posted: Posted, now: float | None = None) -> None:
    """ForgedError unless `posted` bears `esp`'s signature by `key`. `esp` is one of those in VERIFIERS."""
    try:
        VERIFIERS[esp](key, posted, time() if now is None else now)
    except ForgedError:
        raise
    except (ValueError, TypeError, KeyError, RecursionError, InvalidSignature):
        # A key or a header that is none, a body that is not JSON.
        raise ForgedError("the signature cannot be read, or is not by this key") from None


def check_svix(key: str, posted: Posted, now: float) -> None:
    """Resend: HMAC-SHA-256 over id, time and body, of which several may stand in the header (standardwebhooks.com)."""
    secret = b64decode(key.removeprefix("whsec_"))
    sent_id, sent_at = posted.headers["svix-id"], posted.headers["svix-timestamp"]
    check_age(sent_at, now, TOLERANCE)
    signed = b".".join([sent_id.encode(), sent_at.encode(), posted.body])
    expected = b64encode(hmac.digest(secret, signed, "sha256")).decode()
    given = [one.removeprefix("v1,") for one in posted.headers["svix-signature"].split(" ") if one.startswith("v1,")]
    compare_any(expected, given)


def check_mailgun(key: str, posted: Posted, now: float) -> None:
    """HMAC-SHA-256, as hex, over a time and a token, which stand in the body."""
    block = json.loads(posted.body)["signature"]
    sent_at, token = str(block["timestamp"]), str(block["token"])
    check_age(sent_at, now, MAILGUN_AGE)
    expected = hmac.digest(key.encode(), f"{sent_at}{token}".encode(), "sha256").hex()
    compare_any(expected, [str(block["signature"])])


def check_mailersend(key: str, posted: Posted, _now: float) -> None:
    """HMAC-SHA-256 over the body, as hex."""
    compare_any(hmac.digest(key.encode(), posted.body, "sha256").hex(), [posted.headers["signature"]])


def check_sendgrid(key: str, posted: Posted, _now: float) -> None:
    """ECDSA over time and body; `key` is the public one, as SendGrid shows it."""
    public = load_der_public_key(b64decode(key))
    if not isinstance(public, ec.EllipticCurvePublicKey):
        raise ForgedError("the key is of another kind")
    signature = b64decode(posted.headers["x-twilio-email-event-webhook-signature"])
    sent_at = posted.headers["x-twilio-email-event-webhook-timestamp"].encode()
    public.verify(signature, sent_at + posted.body, ec.ECDSA(SHA256()))


def check_age(sent_at: str, now: float, tolerance: timedelta) -> None:
    if abs(now - int(sent_at[:20])) > tolerance.total_seconds():
        raise ForgedError("the signature is too old, or this machine's clock is wrong")


def compare_any(expected: str, given: list[str]) -> None:
    """Each in constant time, and all of them."""
    if sum(hmac.compare_digest(expected.encode(), one.encode()) for one in given[:10]) == 0:
        raise ForgedError("the signature is wrong")


Verifier = Callable[[str, Posted, float], None]
# SNS signs SES's events, with certificates: `providers.esp.sns`. Those that are not here sign nothing.
VERIFIERS: Mapping[str, Verifier] = {
    "mailersend": check_mailersend,
    "mailgun": check_mailgun,
    "resend": check_svix,
    "sendgrid": check_sendgrid,
}
