"""Where django-anymail is told what we know better: the row's settings, our bytes, our ids, no tracking of its own."""

import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from anymail.exceptions import AnymailInsecureWebhookWarning, AnymailNotSupportedWarning
from anymail.utils import EmailAddress
from django.conf import settings as django_settings
from django.core.mail import EmailMultiAlternatives
from django.utils.module_loading import import_string

from delivery.html.plaintext import text_from_html
from delivery.mime.syntax import read_header, write_value
from providers.esp.http_adapter import HttpAdapter
from providers.esp.model import Esp
from providers.esp.repackaging import EspCall, build_files, write_mailbox

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
    if not esp.takes_raw and esp_call.message.attachments:
        # Given with the message, a text would be decoded on its way, and lose the parameters of its type.
        payload.set_attachments([esp.fit_file(file) for file in build_files(esp_call.message)])
    if esp.shape:
        esp.shape(payload, esp_call)
    if esp.idempotency_header:
        payload.headers[esp.idempotency_header] = name_request(esp_call)
    keep_addresses(payload, esp, esp_call)
    return payload, message


def build_message(esp: Esp, settings: Mapping[str, str], esp_call: EspCall) -> Any:
    """The mail as Django and django-anymail write it, without files; only its envelope where our bytes are taken."""
    content = esp_call.message
    if esp.takes_raw:
        message: Any = EmailMultiAlternatives(
            from_email=content.from_.address, to=[mailbox.address for mailbox in esp_call.to]
        )
    else:
        message = EmailMultiAlternatives(
            content.subject,
            content.text if content.text is not None else text_from_html(content.html or ""),
            write_mailbox(content.from_),
            to=list(map(write_mailbox, esp_call.to)),
            cc=list(map(write_mailbox, esp_call.cc)),
            bcc=list(map(write_mailbox, esp_call.bcc)),
            reply_to=list(map(write_mailbox, content.reply_to)),
            headers=list_headers(esp, esp_call),
        )
        if content.html:
            message.attach_alternative(content.html, "text/html")
    if esp.takes_metadata:
        message.metadata = list_ids(esp_call)
    if esp.takes_silence:
        message.track_opens = message.track_clicks = False
    if "message_stream" in settings:
        message.esp_extra = {"MessageStream": settings["message_stream"]}
    return message


def list_headers(esp: Esp, esp_call: EspCall) -> dict[str, str]:
    """The mail's own headers in their order, in the form for a service that encodes whole values."""
    write = read_header if esp.decodes_headers else write_value
    kept = [(name, value) for name, value in esp_call.message.headers if name.lower() not in esp.refused_headers]
    headers = {name: write(name, value) for name, value in kept}
    if not esp.takes_own_header:
        headers.pop(django_settings.MAIL_ID_HEADER, None)
    if esp.idempotency_field:
        headers[esp.idempotency_field] = name_request(esp_call)
    return headers


def find_unquoted(esp_call: EspCall) -> dict[str, str]:
    """Addresses whose local part, such as `"a..b"`, loses its quotes in django-anymail; by the form without them."""
    content = esp_call.message
    mailboxes = (content.from_, *content.reply_to, *content.to, *content.cc, *esp_call.to, *esp_call.bcc)
    quoted = {mailbox.address for mailbox in mailboxes if mailbox.address.startswith('"')}
    bare = {EmailAddress(addr_spec=address).addr_spec: address for address in quoted}
    return {wrong: right for wrong, right in bare.items() if wrong != right}


def keep_addresses(payload: Any, esp: Esp, esp_call: EspCall) -> None:
    """Put the quotes back once the payload is whole."""
    changed = find_unquoted(esp_call)
    if changed and esp.takes_raw:
        payload.params = replace_addresses(payload.params, changed)
    elif changed:
        write = payload.serialize_json
        payload.serialize_json = lambda data: write(replace_addresses(data, changed))


def replace_addresses(value: Any, changed: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return type(value)((key, replace_addresses(each, changed)) for key, each in value.items())  # type: ignore[call-arg]
    if isinstance(value, list):
        return [replace_addresses(each, changed) for each in value]
    return changed.get(value, value) if isinstance(value, str) else value


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
