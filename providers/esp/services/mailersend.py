"""MailerSend. Events: one in a post.

Source: https://developers.mailersend.com/api/v1/account/webhooks; `inbound.message` is of inbound routes.
"""

import hmac
import json
from collections.abc import Iterable, Mapping
from typing import Any

from delivery.judging.model import HARD_BOUNCE
from providers.esp.event_model import EventKind, RawEvent, ReadEvent, read_nested, read_word
from providers.esp.model import Esp
from providers.esp.repackaging import EspCall
from providers.esp.signatures import Posted, compare_any

EVENTS: Mapping[str, EventKind] = {
    "activity.sent": EventKind.ACCEPTED,
    "activity.delivered": EventKind.DELIVERED,
    "activity.deferred": EventKind.DELAYED,
    "activity.soft_bounced": EventKind.BOUNCED,
    "activity.hard_bounced": EventKind.BOUNCED,
    "activity.unsubscribed": EventKind.UNSUBSCRIBED,
    "activity.spam_complaint": EventKind.COMPLAINED,
    "activity.opened": EventKind.OPENED,
    "activity.clicked": EventKind.CLICKED,
    # The first open and the first click come as `opened` and `clicked` too.
    "activity.opened_unique": EventKind.IGNORED,
    "activity.clicked_unique": EventKind.IGNORED,
    "activity.survey_opened": EventKind.IGNORED,
    "activity.survey_submitted": EventKind.IGNORED,
    "recipient.on_hold_added": EventKind.IGNORED,
    "recipient.on_hold_removed": EventKind.IGNORED,
    "sender_identity.verified": EventKind.IGNORED,
    "maintenance.start": EventKind.IGNORED,
    "maintenance.end": EventKind.IGNORED,
    "inbound_forward.failed": EventKind.IGNORED,
    "inbound_message.rejected": EventKind.IGNORED,
    "inbound.message": EventKind.IGNORED,
    "email_single.verified": EventKind.IGNORED,
    "email_list.verified": EventKind.IGNORED,
    "bulk_email.completed": EventKind.IGNORED,
    "webhook.test": EventKind.IGNORED,
}
CATEGORIES = {"activity.hard_bounced": HARD_BOUNCE}
# MailerSend saves a webhook only when its test post was answered 2xx. The webhook's own key does not exist by then: the
# test is signed with this one, which the documentation publishes. It proves nothing, and counts for tests only.
TEST_KEY = "test_Am3L1GuOIc4blLUuHqAPxxwkZaJyEk8G"


def check_signature(key: str, posted: Posted, _now: float) -> None:
    """HMAC-SHA-256 over the body, as hex."""
    compare_any(hmac.digest(key.encode(), posted.body, "sha256").hex(), [posted.headers["signature"]])


def is_test_post(posted: Posted) -> bool:
    """Whether the post is the test of a new webhook, signed with the documented key."""
    try:
        event = json.loads(posted.body)
    except (ValueError, RecursionError):
        return False
    expected = hmac.digest(TEST_KEY.encode(), posted.body, "sha256").hex()
    is_signed = hmac.compare_digest(expected.encode(), posted.headers.get("signature", "").encode())
    return read_word(event, "type") == "webhook.test" and is_signed


def read_event(raw: RawEvent, _posted: Posted) -> Iterable[ReadEvent]:
    name = read_word(raw, "type")
    data, morph = raw.get("data"), read_nested(raw, "data", "morph")
    yield ReadEvent(
        name=name,
        kind=EVENTS.get(name, EventKind.UNKNOWN),
        event_id=read_nested(data, "id"),
        address=read_nested(data, "email", "recipient", "email") or read_nested(data, "recipient", "email"),
        remote_id=read_nested(data, "email", "message", "id") or read_nested(data, "message_id"),
        occurred_at=read_nested(data, "created_at") or raw.get("created_at"),
        reply=read_nested(morph, "reason") or read_nested(morph, "readable_reason"),
        category=CATEGORIES.get(name),
        url=read_nested(morph, "url"),
        user_agent=read_nested(morph, "user_agent"),
    )


def name_references(payload: Any, _call: EspCall) -> None:
    """As In-Reply-To, References has a parameter of its own (mailersend.com/help/custom-headers)."""
    headers = payload.data.get("headers", [])
    references = [header for header in headers if header["name"].lower() == "references"]
    if references:
        payload.data["references"] = references[0]["value"].split(" ")
        payload.data["headers"] = [header for header in headers if header not in references]
        if not payload.data["headers"]:
            del payload.data["headers"]


# Smaller plans have no custom headers (mailersend.com/help/custom-headers), so ours are left out.
REFUSED = frozenset({"feedback-id", "x-emailsvc-id"})


ESP = Esp(
    name="mailersend",
    title="MailerSend",
    backend="anymail.backends.mailersend.EmailBackend",
    needed=("api_token",),
    read_event=read_event,
    possible=("signing_secret",),
    secrets=frozenset({"api_token", "signing_secret"}),
    # Its smaller plans refuse a mail with any header of the caller's.
    takes_own_header=False,
    takes_metadata=False,
    takes_silence=True,
    taken_status=202,
    event_key="signing_secret",
    login=("Authorization", "Bearer {api_token}"),
    probe="api-quota",
    check_signature=check_signature,
    is_test_post=is_test_post,
    shape=name_references,
    refused_headers=REFUSED,
)
