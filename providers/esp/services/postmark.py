"""Postmark."""

from delivery.judging.model import HARD_BOUNCE, Category
from providers.esp.model import Esp, RawEvent, read_nested


def name_bounce(event: RawEvent) -> Category | None:
    return HARD_BOUNCE if read_nested(event, "Type") in {"HardBounce", "BadEmailAddress"} else None


ESP = Esp(
    name="postmark",
    title="Postmark",
    backend="anymail.backends.postmark.EmailBackend",
    event_view="anymail.webhooks.postmark.PostmarkTrackingWebhookView",
    needed=("server_token",),
    possible=("message_stream",),
    secrets=frozenset({"server_token"}),
    takes_silence=True,
    login=("X-Postmark-Server-Token", "{server_token}"),
    probe="server",
    name_bounce=name_bounce,
)
