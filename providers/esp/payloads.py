"""Where django-anymail is told what we know better: the row's settings, our bytes, our ids, no tracking of its own."""

import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from anymail.exceptions import AnymailInsecureWebhookWarning, AnymailNotSupportedWarning
from django.conf import settings as django_settings
from django.core.mail import EmailMultiAlternatives
from django.utils.module_loading import import_string

from providers.esp.http_adapter import HttpAdapter
from providers.esp.model import Esp
from providers.esp.repackaging import EspCall

# The names under which an ESP's events bring our ids back. Postmark allows names of 20 characters at most.
MESSAGE_KEY = "emailsvc_message"
RECIPIENT_KEY = "emailsvc_recipient"


def open_backend(esp: Esp, settings: Mapping[str, str], adapter: HttpAdapter) -> Any:
    """The ESP's backend with the row's settings and over our wire. Safe for threads. ValueError when it cannot be."""
    try:
        with be_quiet():
            backend = import_string(esp.backend)(**esp.list_arguments(esp, settings))
            esp.connect(backend, adapter)
    except Exception as error:
        raise ValueError(f"{esp.title} cannot be used with these settings: {type(error).__name__}") from error
    return backend


def build_payload(backend: Any, esp: Esp, settings: Mapping[str, str], esp_call: EspCall) -> tuple[Any, Any]:
    """The call's payload and the message that it was made from. Raises AnymailError for what the ESP cannot send."""
    message = build_message(esp, settings, esp_call)
    payload = backend.build_message_payload(message, {})
    if esp.shape:
        esp.shape(payload, esp_call)
    if esp.idempotency_header:
        payload.headers[esp.idempotency_header] = name_request(esp_call)
    return payload, message


def build_message(esp: Esp, settings: Mapping[str, str], esp_call: EspCall) -> Any:
    """The parcel as Django and django-anymail write a message; only its envelope where our own bytes are taken."""
    parsed = esp_call.parsed
    headers = dict(parsed.headers)
    if not esp.takes_own_header:
        headers.pop(django_settings.MAIL_ID_HEADER, None)
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
