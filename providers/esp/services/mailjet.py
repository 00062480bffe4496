"""Mailjet."""

from providers.esp.model import Esp, RawEvent, read_nested


def is_hard(event: RawEvent) -> bool:
    reasons = {"user unknown", "mailbox inactive", "invalid domain", "no mail host"}
    return read_nested(event, "hard_bounce") is True and read_nested(event, "error") in reasons


ESP = Esp(
    name="mailjet",
    title="Mailjet",
    backend="anymail.backends.mailjet.EmailBackend",
    event_view="anymail.webhooks.mailjet.MailjetTrackingWebhookView",
    needed=("api_key", "secret_key"),
    secrets=frozenset({"api_key", "secret_key"}),
    takes_silence=True,
    login=("Authorization", "Basic {api_key}:{secret_key}"),
    # Beside the sending API, which is v3.1.
    probe="/v3/REST/myprofile",
    is_hard=is_hard,
)
