"""Postmark."""

from providers.esp.model import Esp, RawEvent, read_nested


def is_hard(event: RawEvent) -> bool:
    return read_nested(event, "Type") in {"HardBounce", "BadEmailAddress"}


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
    is_hard=is_hard,
)
