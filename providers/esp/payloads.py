"""Where django-anymail is told what we know better: the row's settings, our bytes, our ids, no tracking of its own."""

import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote
from uuid import NAMESPACE_URL, UUID, uuid5

from anymail.exceptions import AnymailInsecureWebhookWarning, AnymailNotSupportedWarning
from django.core.mail import EmailMultiAlternatives
from django.utils.module_loading import import_string

from providers.esp.catalog import API_URL, EVENT_LOGIN, Esp
from providers.esp.http_adapter import HttpAdapter, RawBody, build_request, open_session
from providers.esp.repackaging import EspCall

# The names under which an ESP's events bring our ids back. Postmark allows names of 20 characters at most.
MESSAGE_KEY = "emailsvc_message"
RECIPIENT_KEY = "emailsvc_recipient"


def open_backend(esp: Esp, settings: Mapping[str, str], adapter: HttpAdapter) -> Any:
    """The ESP's backend with the row's settings and over our wire. Safe for threads. ValueError when it cannot be."""
    try:
        with be_quiet():
            backend = import_string(esp.backend)(**BUILDERS.get(esp.name, list_arguments)(esp, settings))
            if hasattr(backend, "session"):
                backend.session = open_session(adapter)
            else:
                backend.open()
                backend.client.meta.events.register("before-send.sesv2.*", AwsHandler(adapter))
    except Exception as error:
        raise ValueError(f"{esp.title} cannot be used with these settings: {type(error).__name__}") from error
    return backend


def list_arguments(esp: Esp, settings: Mapping[str, str]) -> dict[str, Any]:
    """Settings that the backend takes under the same names."""
    own = {esp.event_key, EVENT_LOGIN, "message_stream"}
    return {name: value for name, value in settings.items() if name not in own}


def list_aws_arguments(_esp: Esp, settings: Mapping[str, str]) -> dict[str, Any]:
    """SES by boto3: one try, since whoever tries twice may send twice."""
    names = ("region_name", "aws_access_key_id", "aws_secret_access_key")
    client = {name: settings[name] for name in names if name in settings}
    if API_URL in settings:
        client["endpoint_url"] = settings[API_URL]
    retries = {"total_max_attempts": 1, "mode": "standard"}
    arguments: dict[str, Any] = {"client_params": {**client, "config": {"retries": retries}}}
    if "configuration_set_name" in settings:
        arguments["configuration_set_name"] = settings["configuration_set_name"]
    return arguments


BUILDERS: Mapping[str, Callable[[Esp, Mapping[str, str]], dict[str, Any]]] = {"ses": list_aws_arguments}


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


def build_payload(backend: Any, esp: Esp, settings: Mapping[str, str], esp_call: EspCall) -> tuple[Any, Any]:
    """The call's payload and the message that it was made from. Raises AnymailError for what the ESP cannot send."""
    message = build_message(esp, settings, esp_call)
    payload = backend.build_message_payload(message, {})
    if shape := SHAPES.get(esp.name):
        shape(payload, esp_call)
    if esp.idempotency_header:
        payload.headers[esp.idempotency_header] = name_request(esp_call)
    return payload, message


def build_message(esp: Esp, settings: Mapping[str, str], esp_call: EspCall) -> Any:
    """The parcel as Django and django-anymail write a message; only its envelope where our own bytes are taken."""
    parsed = esp_call.parsed
    headers = dict(parsed.headers)
    if esp.idempotency_field:
        headers[esp.idempotency_field] = name_request(esp_call)
    message: Any = EmailMultiAlternatives(
        parsed.subject,
        parsed.text,
        parsed.from_,
        to=list(esp_call.to),
        cc=list(esp_call.cc),
        bcc=list(esp_call.bcc),
        reply_to=list(parsed.reply_to),
        headers={} if esp.takes_raw else headers,
    )
    if not esp.takes_raw:
        if parsed.html:
            message.attach_alternative(parsed.html, "text/html")
        for file in parsed.files:
            message.attach(file)
    if esp.takes_metadata:
        message.metadata = list_ids(esp_call)
    if esp.takes_silence:
        message.track_opens = message.track_clicks = False
    if "message_stream" in settings:
        message.esp_extra = {"MessageStream": settings["message_stream"]}
    return message


def list_ids(esp_call: EspCall) -> dict[str, str]:
    """Whose mail it is, for the events that come back."""
    ids = {MESSAGE_KEY: str(esp_call.deliveries[0].message_id)}
    if len(esp_call.deliveries) == 1:
        ids[RECIPIENT_KEY] = str(esp_call.deliveries[0].recipient_id)
    return ids


def name_request(esp_call: EspCall) -> str:
    """The same for each try to hand this mail to these recipients."""
    return str(
        uuid5(NAMESPACE_URL, " ".join([str(esp_call.deliveries[0].message_id), *sorted(map(str, esp_call.ids))]))
    )


def use_bytes_at_ses(payload: Any, esp_call: EspCall) -> None:
    payload.generate_raw_message = lambda: esp_call.content
    # Events bring tags back, which allow no more than letters, digits, `_` and `-`.
    payload.params["EmailTags"] = [{"Name": name, "Value": value} for name, value in list_ids(esp_call).items()]


def use_bytes_at_mailgun(payload: Any, esp_call: EspCall) -> None:
    domain = payload.sender_domain or ""
    kept = {name: value for name, value in payload.data.items() if name.startswith("o:")}
    payload.data = {**kept, "to": list(esp_call.to)}
    payload.files = [("message", ("message.mime", esp_call.content, "message/rfc822"))]
    payload.get_api_endpoint = lambda: f"{quote(domain, safe='')}/messages.mime"


def show_all_at_sparkpost(payload: Any, esp_call: EspCall) -> None:
    """`header_to` is what is shown, whoever gets the mail."""
    shown = ", ".join(esp_call.parsed.to)
    payload.data["recipients"] = [
        {"address": {"email": one.address, "header_to": shown or one.address}} for one in esp_call.deliveries
    ]
    payload._finalize_recipients = lambda: None
    if esp_call.parsed.cc:
        payload.data["content"].setdefault("headers", {})["Cc"] = ", ".join(esp_call.parsed.cc)


SHAPES: Mapping[str, Callable[[Any, EspCall], None]] = {
    "ses": use_bytes_at_ses,
    "mailgun": use_bytes_at_mailgun,
    "sparkpost": show_all_at_sparkpost,
}


def read_ids(metadata: Mapping[str, Any]) -> tuple[UUID | None, UUID | None]:
    """The message and the recipient that an event's metadata name."""
    return read_id(metadata.get(MESSAGE_KEY)), read_id(metadata.get(RECIPIENT_KEY))


def read_id(value: object) -> UUID | None:
    if isinstance(value, list) and value:
        value = value[0]
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


# Filters of warnings belong to the whole process.
_lock = threading.Lock()


@contextmanager
def be_quiet() -> Iterator[None]:
    """No word of webhooks without a password (the address holds a secret), nor of SendGrid (tested here instead)."""
    with _lock, warnings.catch_warnings():
        warnings.simplefilter("ignore", AnymailInsecureWebhookWarning)
        warnings.simplefilter("ignore", AnymailNotSupportedWarning)
        yield
