"""Amazon SES by boto3: it takes our own bytes, and its events come by SNS."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from django.http import HttpRequest
from django.utils.module_loading import import_string

from delivery.judging.model import HARD_BOUNCE, NO_MAILBOX, Category
from providers.esp.http_adapter import HttpAdapter, RawBody, build_request
from providers.esp.model import API_URL, Esp, RawEvent, Settings, UnreadableEventError, read_nested
from providers.esp.payloads import list_ids
from providers.esp.repackaging import EspCall
from providers.esp.signatures import Posted
from providers.esp.sns import sns

# The SNS topics that SES's events may come by, with commas between; of no other one is anything believed.
TOPICS = "sns_topics"

# By type and subtype; `General` holds every permanent refusal that Amazon does not tell apart.
BOUNCES: Mapping[tuple[object, object], Category] = {
    ("Permanent", "General"): HARD_BOUNCE,
    ("Permanent", "NoEmail"): NO_MAILBOX,
}


def name_bounce(event: RawEvent) -> Category | None:
    bounce = read_nested(event, "bounce")
    return BOUNCES.get((read_nested(bounce, "bounceType"), read_nested(bounce, "bounceSubType")))


def list_arguments(_esp: Esp, settings: Settings) -> dict[str, Any]:
    """One try, since whoever tries twice may send twice."""
    names = ("region_name", "aws_access_key_id", "aws_secret_access_key")
    client = {name: settings[name] for name in names if name in settings}
    if API_URL in settings:
        client["endpoint_url"] = settings[API_URL]
    retries = {"total_max_attempts": 1, "mode": "standard"}
    arguments: dict[str, Any] = {"client_params": {**client, "config": {"retries": retries}}}
    if "configuration_set_name" in settings:
        arguments["configuration_set_name"] = settings["configuration_set_name"]
    return arguments


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


def parse_events(view: Any, request: HttpRequest) -> Sequence[Any]:
    """The events in a message of SNS. When SES is set up it sends a sentence, no event."""
    message = json.loads(request.body)
    if not str(message["Message"]).lstrip().startswith("{"):
        return []
    events: Sequence[Any] = view.esp_to_anymail_events(json.loads(message["Message"]), message)
    return events


def read_tags(_event: Any, raw: RawEvent) -> Any:
    """Where our ids come back: among the tags."""
    return read_nested(raw, "mail", "tags")


ESP = Esp(
    name="ses",
    title="Amazon SES",
    backend="anymail.backends.amazon_ses.EmailBackend",
    event_view="anymail.webhooks.amazon_ses.AmazonSESTrackingWebhookView",
    needed=("region_name",),
    # Without an access key, boto3 looks for credentials where AWS's own programs do.
    possible=("aws_access_key_id", "aws_secret_access_key", "configuration_set_name", TOPICS),
    secrets=frozenset({"aws_access_key_id", "aws_secret_access_key"}),
    takes_envelope=True,
    takes_raw=True,
    name_bounce=name_bounce,
    check_post=check_post,
    ask=lambda backend: backend.client.get_account(),
    # SNS itself says text/plain.
    event_content_type="",
    # Of these SES names all recipients of the mail.
    unnamed_events=frozenset({"opened", "clicked"}),
    list_arguments=list_arguments,
    connect=use_handler,
    shape=use_our_bytes,
    parse_events=parse_events,
    read_metadata=read_tags,
)
