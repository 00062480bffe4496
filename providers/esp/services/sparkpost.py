"""SparkPost."""

from typing import Any

from delivery.judging.model import NO_MAILBOX, Category
from providers.esp.model import Esp, RawEvent, read_nested
from providers.esp.repackaging import EspCall


def name_bounce(event: RawEvent) -> Category | None:
    """By SparkPost's classes of bounces: 10 is an invalid recipient, 30 means that there is none."""
    parts = (read_nested(event, "msys") or {}).values()
    is_hard = any(str(read_nested(part, "bounce_class")) in {"10", "30"} for part in parts)
    return NO_MAILBOX if is_hard else None


def show_all_recipients(payload: Any, esp_call: EspCall) -> None:
    """`header_to` is what is shown, whoever gets the mail."""
    shown = ", ".join(esp_call.parsed.to)
    payload.data["recipients"] = [
        {"address": {"email": one.address, "header_to": shown or one.address}} for one in esp_call.deliveries
    ]
    payload._finalize_recipients = lambda: None
    if esp_call.parsed.cc:
        payload.data["content"].setdefault("headers", {})["Cc"] = ", ".join(esp_call.parsed.cc)


ESP = Esp(
    name="sparkpost",
    title="SparkPost",
    backend="anymail.backends.sparkpost.EmailBackend",
    event_view="anymail.webhooks.sparkpost.SparkPostTrackingWebhookView",
    needed=("api_key",),
    possible=("subaccount",),
    secrets=frozenset({"api_key"}),
    takes_envelope=True,
    takes_silence=True,
    login=("Authorization", "{api_key}"),
    probe="account",
    name_bounce=name_bounce,
    shape=show_all_recipients,
)
