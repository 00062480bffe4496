"""Brevo."""

from delivery.judging.model import HARD_BOUNCE, Category
from providers.esp.model import Esp, RawEvent, read_nested


def name_bounce(event: RawEvent) -> Category | None:
    return HARD_BOUNCE if read_nested(event, "event") in {"hard_bounce", "invalid_email"} else None


ESP = Esp(
    name="brevo",
    title="Brevo",
    backend="anymail.backends.brevo.EmailBackend",
    event_view="anymail.webhooks.brevo.BrevoTrackingWebhookView",
    needed=("api_key",),
    secrets=frozenset({"api_key"}),
    idempotency_field="idempotencyKey",
    login=("api-key", "{api_key}"),
    probe="account",
    name_bounce=name_bounce,
)
