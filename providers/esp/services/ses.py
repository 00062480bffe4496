"""Amazon SES by boto3: it takes our own bytes, and its events come by SNS.

Events: one in a post, about one or several recipients. Both forms count: event publishing (`eventType`) and
notifications (`notificationType`).

Sources: https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html (the types),
https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html (the same in notifications),
https://docs.aws.amazon.com/ses/latest/dg/sending-email-list-management.html (`UnsubscribedRecipient`).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from django.utils.module_loading import import_string

from delivery.judging.model import HARD_BOUNCE, NO_MAILBOX, Category
from delivery.judging.terms import Reason
from providers.esp.event_model import (
    EventKind,
    RawEvent,
    ReadEvent,
    UnreadableEventError,
    join_reply,
    read_list,
    read_nested,
    read_word,
)
from providers.esp.http_adapter import HttpAdapter, RawBody, build_request
from providers.esp.model import API_URL, Esp, Settings
from providers.esp.payloads import list_ids
from providers.esp.repackaging import EspCall
from providers.esp.signatures import Posted
from providers.esp.sns import sns

# The SNS topics that SES's events may come by, with commas between; of no other one is anything believed.
TOPICS = "sns_topics"


EVENTS: Mapping[str, EventKind] = {
    "Send": EventKind.ACCEPTED,
    "Delivery": EventKind.DELIVERED,
    "DeliveryDelay": EventKind.DELAYED,
    "Bounce": EventKind.BOUNCED,
    "Complaint": EventKind.COMPLAINED,
    "Reject": EventKind.FAILED,  # a virus
    "Rendering Failure": EventKind.FAILED,
    "Subscription": EventKind.UNSUBSCRIBED,
    "Open": EventKind.OPENED,
    "Click": EventKind.CLICKED,
    "Received": EventKind.IGNORED,  # incoming mail
}
# Where an event's own fields are, and its recipients among them. Without a list it is about all that the mail names.
DETAILS: Mapping[str, tuple[str, str]] = {
    "Delivery": ("delivery", "recipients"),
    "DeliveryDelay": ("deliveryDelay", "delayedRecipients"),
    "Bounce": ("bounce", "bouncedRecipients"),
    "Complaint": ("complaint", "complainedRecipients"),
    "Reject": ("reject", ""),
    "Rendering Failure": ("failure", ""),
    "Subscription": ("subscription", ""),
    "Open": ("open", ""),
    "Click": ("click", ""),
}
# Of these SES names all recipients of a mail, although each belongs to one of them; of a complaint it names all
# recipients who may have complained.
OF_ONE = frozenset({"Complaint", "Subscription", "Open", "Click"})
# The types and subtypes of bounces. `General` tells only that the bounce was hard; AWS advises to drop the address.
CATEGORIES: Mapping[tuple[str, str], Category] = {
    ("Permanent", "General"): HARD_BOUNCE,
    ("Permanent", "NoEmail"): NO_MAILBOX,
    ("Transient", "MailboxFull"): Category(Reason.MAILBOX_FULL),
    ("Transient", "MessageTooLarge"): Category(Reason.TOO_BIG),
    ("Transient", "ContentRejected"): Category(Reason.CONTENT),
    ("Transient", "AttachmentRejected"): Category(Reason.CONTENT),
    ("Transient", "CustomTimeoutExceeded"): Category(Reason.EXPIRED),
}
# SES did not try: the address is on the list of SES, of the account, of the tenant, or of the contacts that
# unsubscribed, or SES's validation of addresses, if it is on, held it for a bad one.
LISTED = frozenset(
    {
        *("Suppressed", "OnAccountSuppressionList", "OnTenantSuppressionList", "UnsubscribedRecipient"),
        "EmailValidationSuppressed",
    }
)


def read_event(raw: RawEvent, posted: Posted) -> Iterator[ReadEvent]:
    name = read_word(raw, "eventType") or read_word(raw, "notificationType")
    field, list_name = DETAILS.get(name, ("", ""))
    detail, mail = raw.get(field), raw.get("mail")
    people = read_list(detail, list_name) or read_list(mail, "destination")
    for person in people if name in EVENTS else [None]:
        said = join_reply(read_nested(person, "status"), read_nested(person, "diagnosticCode"))
        type_, subtype = read_word(detail, "bounceType"), read_word(detail, "bounceSubType")
        yield ReadEvent(
            name=name,
            kind=choose_kind(name, detail),
            # SNS has one id for each message, the same in its repetitions.
            event_id=read_word(json.loads(posted.body), "MessageId"),
            address=person if isinstance(person, str) else read_nested(person, "emailAddress"),
            remote_id=read_nested(mail, "messageId"),
            metadata=read_nested(mail, "tags"),
            occurred_at=read_nested(detail, "timestamp") or read_nested(mail, "timestamp"),
            reply=said or find_words(detail),
            category=CATEGORIES.get((type_, subtype)),
            is_vague=is_automatic(type_, subtype, said),
            is_unnamed=name in OF_ONE and len(people) > 1,
            feedback_type=read_nested(detail, "complaintFeedbackType"),
            url=read_nested(detail, "link"),
            user_agent=read_nested(detail, "userAgent"),
        )


def choose_kind(name: str, detail: object) -> EventKind:
    kind = EVENTS.get(name, EventKind.UNKNOWN)
    if kind is EventKind.BOUNCED and read_word(detail, "bounceSubType") in LISTED:
        return EventKind.LISTED
    if kind is EventKind.COMPLAINED and read_word(detail, "complaintSubType") in LISTED:
        return EventKind.LISTED
    if kind is EventKind.UNSUBSCRIBED and not has_opted_out(detail):
        return EventKind.IGNORED
    return kind


def has_opted_out(detail: object) -> bool:
    """Whether the new preferences of a `Subscription` opt out of everything or of a topic."""
    new = read_nested(detail, "newTopicPreferences")
    topics = read_list(new, "topicSubscriptionStatus")
    return read_nested(new, "unsubscribeAll") is True or any(
        read_word(topic, "subscriptionStatus").lower() == "optout" for topic in topics
    )


def find_words(detail: object) -> str:
    """What SES says of a whole event, where the recipient's server said nothing."""
    kinds = join_reply(read_nested(detail, "bounceType"), read_nested(detail, "bounceSubType"))
    names = ("smtpResponse", "reason", "errorMessage", "delayType", "complaintFeedbackType")
    return next((text for name in names if (text := read_word(detail, name))), kinds)


def is_automatic(type_: str, subtype: str, said: str) -> bool:
    """Whether a bounce may be an automatic reply: SES tells an absence note as a transient bounce without a code."""
    return type_ in {"Transient", "Undetermined"} and subtype in {"General", "Undetermined", ""} and not said


def list_arguments(_esp: Esp, settings: Settings) -> dict[str, Any]:
    """One try, since whoever tries twice may send twice."""
    names = ("region_name", "aws_access_key_id", "aws_secret_access_key")
    client = {name: settings[name] for name in names if name in settings}
    if API_URL in settings:
        client["endpoint_url"] = settings[API_URL]
    retries = {"total_max_attempts": 1, "mode": "standard"}
    arguments: dict[str, Any] = {
        "client_params": {**client, "config": {"retries": retries}},
        "session_params": {"botocore_session": open_session()},
    }
    if "configuration_set_name" in settings:
        arguments["configuration_set_name"] = settings["configuration_set_name"]
    return arguments


def open_session() -> Any:
    """A session of botocore for one provider. All share what was read of AWS's descriptions: that takes 0.1 s."""
    session = import_string("botocore.session.get_session")()
    session.register_component("data_loader", open_loader())
    return session


@cache
def open_loader() -> Any:
    return import_string("botocore.loaders.create_loader")()


class AwsHandler:
    """botocore asks this before it would use its own HTTP."""

    def __init__(self, adapter: HttpAdapter) -> None:
        self._adapter = adapter

    def __call__(self, request: Any, **_: object) -> Any:
        answer = self._adapter.carry(build_request(request))
        make_response = import_string("botocore.awsrequest.AWSResponse")
        make_headers = import_string("botocore.compat.HTTPHeaders")
        headers = make_headers.from_dict(answer.headers)
        return make_response(request.url, answer.status, headers, RawBody(answer.body))


def use_handler(backend: Any, adapter: HttpAdapter) -> None:
    backend.open()
    backend.client.meta.events.register("before-send.sesv2.*", AwsHandler(adapter))


def use_our_bytes(payload: Any, esp_call: EspCall) -> None:
    payload.generate_raw_message = lambda: esp_call.content
    # Events bring tags back, which allow no more than letters, digits, `_` and `-`.
    payload.params["EmailTags"] = [{"Name": name, "Value": value} for name, value in list_ids(esp_call).items()]


def check_post(settings: Settings, posted: Posted) -> bool:
    """Whether the message holds an event. A subscription to a topic of ours is confirmed."""
    try:
        message = json.loads(posted.body)
    except (ValueError, RecursionError):
        raise UnreadableEventError("it is not JSON") from None
    if not isinstance(message, dict):
        raise UnreadableEventError("it is not a message of SNS")
    sns.check(message, read_topics(settings))
    if message["Type"] == "SubscriptionConfirmation":
        sns.confirm(message)
    return bool(message["Type"] == "Notification")


def read_topics(settings: Settings) -> frozenset[str]:
    """The topics whose messages count: the setting `sns_topics`, with commas between."""
    return frozenset(text.strip() for text in settings.get(TOPICS, "").split(",") if text.strip())


def list_events(payload: Any) -> Sequence[Any]:
    """The event in a message of SNS. When SES is set up it sends a sentence, no event."""
    text = read_word(payload, "Message").lstrip()
    return [json.loads(text)] if text.startswith("{") else []


ESP = Esp(
    name="ses",
    title="Amazon SES",
    extra="ses",
    backend="anymail.backends.amazon_ses.EmailBackend",
    needed=("region_name",),
    read_event=read_event,
    list_events=list_events,
    # Without an access key, boto3 looks for credentials where AWS's own programs do.
    possible=("aws_access_key_id", "aws_secret_access_key", "configuration_set_name", TOPICS),
    secrets=frozenset({"aws_access_key_id", "aws_secret_access_key"}),
    takes_envelope=True,
    takes_raw=True,
    check_post=check_post,
    ask=lambda backend: backend.client.get_account(),
    list_arguments=list_arguments,
    connect=use_handler,
    shape=use_our_bytes,
)
