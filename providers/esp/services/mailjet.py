"""Mailjet."""

from collections.abc import Mapping

from delivery.judging.model import NO_MAILBOX, Category
from delivery.judging.terms import Reason
from providers.esp.model import Esp, RawEvent, read_nested

ERRORS: Mapping[str, Category] = {
    "user unknown": NO_MAILBOX,
    "mailbox inactive": Category(Reason.DISABLED),
    "invalid domain": Category(Reason.HOST_UNKNOWN),
    "no mail host": Category(Reason.HOST_UNKNOWN),
}


def name_bounce(event: RawEvent) -> Category | None:
    return ERRORS.get(read_nested(event, "error")) if read_nested(event, "hard_bounce") is True else None


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
    name_bounce=name_bounce,
)
