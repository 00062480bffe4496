"""MailerSend."""

import hmac

from delivery.judging.model import HARD_BOUNCE, Category
from providers.esp.model import Esp, RawEvent, read_nested
from providers.esp.signatures import Posted, compare_any


def name_bounce(event: RawEvent) -> Category | None:
    return HARD_BOUNCE if read_nested(event, "data", "type") == "hard_bounced" else None


def check_signature(key: str, posted: Posted, _now: float) -> None:
    """HMAC-SHA-256 over the body, as hex."""
    compare_any(hmac.digest(key.encode(), posted.body, "sha256").hex(), [posted.headers["signature"]])


ESP = Esp(
    name="mailersend",
    title="MailerSend",
    backend="anymail.backends.mailersend.EmailBackend",
    event_view="anymail.webhooks.mailersend.MailerSendTrackingWebhookView",
    needed=("api_token",),
    possible=("signing_secret",),
    secrets=frozenset({"api_token", "signing_secret"}),
    takes_metadata=False,
    takes_silence=True,
    taken_status=202,
    event_key="signing_secret",
    login=("Authorization", "Bearer {api_token}"),
    probe="api-quota",
    name_bounce=name_bounce,
    check_signature=check_signature,
    wants_event_key=True,
)
