"""Mailgun: it takes our own bytes."""

import hmac
import json
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from delivery.judging.model import HARD_BOUNCE, Category
from providers.esp.model import Esp, RawEvent, read_nested
from providers.esp.repackaging import EspCall
from providers.esp.signatures import Posted, check_age, compare_any

# Mailgun tries for eight hours, and signs only a time and a number used once: what is older is no try of its own, and
# its number may be forgotten here.
MAILGUN_AGE = timedelta(days=1)


def name_bounce(event: RawEvent) -> Category | None:
    bounce = read_nested(event, "event-data")
    is_hard = read_nested(bounce, "severity") == "permanent" and read_nested(bounce, "reason") == "bounce"
    return HARD_BOUNCE if is_hard else None


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
    payload.data = {**kept, "to": list(esp_call.to)}
    payload.files = [("message", ("message.mime", esp_call.content, "message/rfc822"))]
    payload.get_api_endpoint = lambda: f"{quote(domain, safe='')}/messages.mime"


ESP = Esp(
    name="mailgun",
    title="Mailgun",
    backend="anymail.backends.mailgun.EmailBackend",
    event_view="anymail.webhooks.mailgun.MailgunTrackingWebhookView",
    needed=("api_key",),
    possible=("sender_domain", "webhook_signing_key"),
    secrets=frozenset({"api_key", "webhook_signing_key"}),
    takes_envelope=True,
    takes_raw=True,
    takes_silence=True,
    event_key="webhook_signing_key",
    login=("Authorization", "Basic api:{api_key}"),
    probe="domains",
    name_bounce=name_bounce,
    check_signature=check_signature,
    wants_event_key=True,
    shape=use_our_bytes,
)
