"""SendGrid."""

from base64 import b64decode

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from delivery.judging.model import HARD_BOUNCE, Category
from providers.esp.model import Esp, RawEvent, read_nested
from providers.esp.signatures import ForgedError, Posted


def name_bounce(event: RawEvent) -> Category | None:
    is_hard = read_nested(event, "event") == "bounce" and read_nested(event, "type") != "blocked"
    return HARD_BOUNCE if is_hard else None


def check_signature(key: str, posted: Posted, _now: float) -> None:
    """ECDSA over time and body; `key` is the public one, as SendGrid shows it."""
    public = load_der_public_key(b64decode(key))
    if not isinstance(public, ec.EllipticCurvePublicKey):
        raise ForgedError("the key is of another kind")
    signature = b64decode(posted.headers["x-twilio-email-event-webhook-signature"])
    sent_at = posted.headers["x-twilio-email-event-webhook-timestamp"].encode()
    public.verify(signature, sent_at + posted.body, ec.ECDSA(SHA256()))


ESP = Esp(
    name="sendgrid",
    title="SendGrid",
    backend="anymail.backends.sendgrid.EmailBackend",
    event_view="anymail.webhooks.sendgrid.SendGridTrackingWebhookView",
    needed=("api_key",),
    possible=("tracking_webhook_verification_key",),
    secrets=frozenset({"api_key"}),
    takes_silence=True,
    taken_status=202,
    event_key="tracking_webhook_verification_key",
    probe="scopes",
    name_bounce=name_bounce,
    check_signature=check_signature,
)
