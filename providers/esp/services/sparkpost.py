"""SparkPost. Events: an array in a post.

Sources: https://developers.sparkpost.com/api/webhooks/ and
https://support.sparkpost.com/docs/tech-resources/sparkpost-event-definitions (the types),
https://support.sparkpost.com/docs/tech-resources/open-pixel-location (the opens),
https://support.sparkpost.com/docs/deliverability/bounce-classification-codes (the classes of bounces).
"""

from collections.abc import Iterable, Mapping
from typing import Any

from delivery.judging.model import HARD_BOUNCE, NO_MAILBOX, Category
from delivery.judging.terms import Reason
from providers.esp.event_model import EventKind, RawEvent, ReadEvent, UnreadableEventError, join_reply, read_word
from providers.esp.model import Esp
from providers.esp.repackaging import EspCall, write_mailbox
from providers.esp.signatures import Posted

EVENTS: Mapping[str, EventKind] = {
    "injection": EventKind.ACCEPTED,
    "delivery": EventKind.DELIVERED,
    "delay": EventKind.DELAYED,
    "bounce": EventKind.BOUNCED,
    "out_of_band": EventKind.BOUNCED,
    "policy_rejection": EventKind.FAILED,
    "generation_failure": EventKind.FAILED,
    "generation_rejection": EventKind.FAILED,
    "spam_complaint": EventKind.COMPLAINED,
    "list_unsubscribe": EventKind.UNSUBSCRIBED,
    "link_unsubscribe": EventKind.UNSUBSCRIBED,
    # By the image at the top of a mail. A mail that is shown in part has no `open`, whose image is at the bottom.
    "initial_open": EventKind.OPENED,
    "amp_initial_open": EventKind.OPENED,
    "open": EventKind.OPENED,
    "amp_open": EventKind.OPENED,
    "click": EventKind.CLICKED,
    "amp_click": EventKind.CLICKED,
    "sms_status": EventKind.IGNORED,
    "relay_injection": EventKind.IGNORED,
    "relay_rejection": EventKind.IGNORED,
    "relay_delivery": EventKind.IGNORED,
    "relay_tempfail": EventKind.IGNORED,
    "relay_permfail": EventKind.IGNORED,
    "ab_test_completed": EventKind.IGNORED,
    "ab_test_cancelled": EventKind.IGNORED,
    "success": EventKind.IGNORED,  # of the ingest API
    "error": EventKind.IGNORED,
}
# By the class of a bounce, where it is not a bounce. 25: a policy of SparkPost's or the account's. 26: the policy
# "Smart Send", which SparkPost's customers list and its own page does not.
NO_BOUNCES: Mapping[str, EventKind] = {
    "25": EventKind.FAILED,
    "26": EventKind.FAILED,
    "60": EventKind.IGNORED,  # an automatic reply
    "80": EventKind.IGNORED,  # a request to subscribe
    "90": EventKind.UNSUBSCRIBED,
    "100": EventKind.IGNORED,  # a challenge
}
CATEGORIES: Mapping[str, Category] = {
    "10": NO_MAILBOX,  # invalid recipient
    "21": Category(Reason.NETWORK),  # DNS failure
    "22": Category(Reason.MAILBOX_FULL),
    "23": Category(Reason.TOO_BIG),
    "24": Category(Reason.EXPIRED),
    "30": HARD_BOUNCE,  # no recipient could be determined
    "50": Category(Reason.BLOCKED),
    "51": Category(Reason.BLOCKED),  # for spam
    "52": Category(Reason.SPAM),
    "53": Category(Reason.CONTENT),
    "54": Category(Reason.RELAYING),
}


def read_event(raw: RawEvent, _posted: Posted) -> Iterable[ReadEvent]:
    """The event in `{"msys": {"message_event": {…}}}`; none in SparkPost's test, where `msys` is empty."""
    groups = raw.get("msys")
    if not isinstance(groups, Mapping):
        raise UnreadableEventError("msys is missing")
    for event in groups.values():
        name, class_ = read_word(event, "type"), str(event.get("bounce_class", ""))
        said = event.get("raw_reason") or event.get("reason")
        yield ReadEvent(
            name=name,
            kind=choose_kind(name, class_, said),
            event_id=event.get("event_id"),
            address=event.get("raw_rcpt_to") or event.get("rcpt_to"),
            # The id that the answer to our call gave.
            remote_id=event.get("transmission_id"),
            metadata=event.get("rcpt_meta"),
            occurred_at=event.get("timestamp"),
            reply=join_reply(event.get("error_code"), said),
            category=CATEGORIES.get(class_),
            feedback_type=event.get("fbtype"),
            url=event.get("target_link_url"),
            user_agent=event.get("user_agent"),
        )


def choose_kind(name: str, class_: str, said: object) -> EventKind:
    kind = EVENTS.get(name, EventKind.UNKNOWN)
    if kind is EventKind.BOUNCED:
        kind = NO_BOUNCES.get(class_, kind)
    is_listed = kind is EventKind.FAILED and isinstance(said, str) and "suppress" in said.lower()
    return EventKind.LISTED if is_listed else kind


def show_all_recipients(payload: Any, esp_call: EspCall) -> None:
    """`header_to` is what is shown, whoever gets the mail."""
    shown = ", ".join(map(write_mailbox, esp_call.message.to))
    payload.data["recipients"] = [
        {"address": {"email": one.address, "header_to": shown or one.address}} for one in esp_call.deliveries
    ]
    payload.data["content"]["from"] = write_mailbox(esp_call.message.from_)
    if esp_call.message.reply_to:
        payload.data["content"]["reply_to"] = ", ".join(map(write_mailbox, esp_call.message.reply_to))
    payload._finalize_recipients = lambda: None
    if esp_call.message.cc:
        copies = ", ".join(map(write_mailbox, esp_call.message.cc))
        payload.data["content"].setdefault("headers", {})["Cc"] = copies


ESP = Esp(
    name="sparkpost",
    title="SparkPost",
    backend="anymail.backends.sparkpost.EmailBackend",
    needed=("api_key",),
    read_event=read_event,
    possible=("subaccount",),
    secrets=frozenset({"api_key"}),
    takes_envelope=True,
    takes_silence=True,
    login=("Authorization", "{api_key}"),
    probe="account",
    shape=show_all_recipients,
)
