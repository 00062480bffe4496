"""Brevo. Events: one in a post; with `batched` a post is an array of up to 500.

Sources: https://developers.brevo.com/docs/transactional-webhooks and, for what a webhook may send as well,
https://developers.brevo.com/docs/marketing-webhooks.
"""

from collections.abc import Iterable, Mapping

from delivery.judging.model import HARD_BOUNCE, NO_MAILBOX
from providers.esp.event_model import EventKind, RawEvent, ReadEvent, read_object, read_word
from providers.esp.model import Esp
from providers.esp.signatures import Posted

EVENTS: Mapping[str, EventKind] = {
    "request": EventKind.ACCEPTED,
    "sent": EventKind.ACCEPTED,
    "delivered": EventKind.DELIVERED,
    "deferred": EventKind.DELAYED,
    "hard_bounce": EventKind.BOUNCED,
    "soft_bounce": EventKind.BOUNCED,
    "invalid_email": EventKind.BOUNCED,
    "blocked": EventKind.LISTED,  # the address is on Brevo's list of blocked contacts
    "error": EventKind.FAILED,
    "spam": EventKind.COMPLAINED,
    "complaint": EventKind.COMPLAINED,
    "unsubscribe": EventKind.UNSUBSCRIBED,
    "unsubscribed": EventKind.UNSUBSCRIBED,
    # The first open is one of the `unique_` events, the later ones are the others.
    "unique_opened": EventKind.OPENED,
    "opened": EventKind.OPENED,
    "unique_proxy_open": EventKind.OPENED,
    "proxy_open": EventKind.OPENED,
    "click": EventKind.CLICKED,
    # Of marketing and of other channels; a webhook may be set to send them as well.
    "list_addition": EventKind.IGNORED,
    "contact_updated": EventKind.IGNORED,
    "contact_deleted": EventKind.IGNORED,
    "unique_coupon_sent": EventKind.IGNORED,
    "inbound_email_processed": EventKind.IGNORED,
    "reply": EventKind.IGNORED,
}
CATEGORIES = {"hard_bounce": HARD_BOUNCE, "invalid_email": NO_MAILBOX}


def read_event(raw: RawEvent, _posted: Posted) -> Iterable[ReadEvent]:
    name = read_word(raw, "event")
    # `ts` and `date` are in the account's time zone; `ts_epoch`, in milliseconds, is in UTC.
    epoch = raw.get("ts_epoch")
    yield ReadEvent(
        name=name,
        kind=EVENTS.get(name, EventKind.UNKNOWN),
        address=raw.get("email"),
        remote_id=raw.get("message-id"),
        metadata=read_object(raw.get("X-Mailin-custom")),
        occurred_at=epoch / 1000 if isinstance(epoch, int | float) else raw.get("ts_event"),
        reply=raw.get("reason"),
        category=CATEGORIES.get(name),
        url=raw.get("link"),
        user_agent=raw.get("user_agent"),
    )


ESP = Esp(
    name="brevo",
    title="Brevo",
    backend="anymail.backends.brevo.EmailBackend",
    needed=("api_key",),
    read_event=read_event,
    secrets=frozenset({"api_key"}),
    idempotency_field="idempotencyKey",
    login=("api-key", "{api_key}"),
    probe="account",
    decodes_headers=True,
)
