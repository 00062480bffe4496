"""Brevo."""

from providers.esp.model import Esp, RawEvent, read_nested


def is_hard(event: RawEvent) -> bool:
    return read_nested(event, "event") in {"hard_bounce", "invalid_email"}


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
    is_hard=is_hard,
)
