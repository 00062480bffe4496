"""Resend."""

import hmac
from base64 import b64decode, b64encode
from collections.abc import Mapping

from delivery.judging.model import HARD_BOUNCE, NO_MAILBOX, Category
from providers.esp.model import Esp, RawEvent, read_nested
from providers.esp.signatures import TOLERANCE, Posted, check_age, compare_any

# By type and subtype, as Amazon SES names them.
BOUNCES: Mapping[tuple[object, object], Category] = {
    ("Permanent", "General"): HARD_BOUNCE,
    ("Permanent", "NoEmail"): NO_MAILBOX,
}


def name_bounce(event: RawEvent) -> Category | None:
    bounce = read_nested(event, "data", "bounce")
    return BOUNCES.get((read_nested(bounce, "type"), read_nested(bounce, "subType")))


def check_signature(key: str, posted: Posted, now: float) -> None:
    """HMAC-SHA-256 over id, time and body, of which several may stand in the header (standardwebhooks.com)."""
    secret = b64decode(key.removeprefix("whsec_"))
    sent_id, sent_at = posted.headers["svix-id"], posted.headers["svix-timestamp"]
    check_age(sent_at, now, TOLERANCE)
    signed = b".".join([sent_id.encode(), sent_at.encode(), posted.body])
    expected = b64encode(hmac.digest(secret, signed, "sha256")).decode()
    given = [one.removeprefix("v1,") for one in posted.headers["svix-signature"].split(" ") if one.startswith("v1,")]
    compare_any(expected, given)


ESP = Esp(
    name="resend",
    title="Resend",
    backend="anymail.backends.resend.EmailBackend",
    event_view="anymail.webhooks.resend.ResendTrackingWebhookView",
    needed=("api_key",),
    possible=("signing_secret",),
    secrets=frozenset({"api_key", "signing_secret"}),
    names_recipient=False,
    idempotency_header="Idempotency-Key",
    event_key="signing_secret",
    probe="domains",
    name_bounce=name_bounce,
    check_signature=check_signature,
)
