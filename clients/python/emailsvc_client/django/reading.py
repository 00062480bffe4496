"""Reads Django's `EmailMessage` into the fields of an email."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.core.mail import EmailMessage
from emailsvc_client.django.attachments import UnsupportedMessageError, read_alternative, read_attachment
from emailsvc_client.objects import EmailFields

# What the service writes itself: a value of the program's own is not kept.
WRITTEN = frozenset(
    {"date", "message-id", "bcc", "return-path", "received", "dkim-signature", "mime-version", "sender"}
)
# Headers that say what a field says.
ADDRESSES = {"from": "from_", "to": "to", "cc": "cc", "reply-to": "reply_to"}
PREFIX = "x-emailsvc-"


def read_bool(text: str) -> bool:
    return text.strip().lower() in {"1", "true", "yes", "on"}


def read_words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


# Attributes that a program may set on a message, and how the header `X-Emailsvc-…` of the same name is read.
OPTIONS: Mapping[str, Callable[[str], Any]] = {
    "tags": read_words,
    "metadata": json.loads,
    "stream": str,
    "priority": str,
    "scheduled_at": str,
    "expires_at": str,
    "track_opens": read_bool,
    "track_clicks": read_bool,
    "enable_unsubscribe": read_bool,
    "template_id": str,
    "template_vars": json.loads,
    "locale": str,
    "domain_id": str,
    "on_uncertain": str,
    "idempotency_key": str,
}


def read_message(message: EmailMessage) -> tuple[EmailFields, str | None]:
    """The fields of the email, and its idempotency key if it has one of its own.

    Raises UnsupportedMessageError, and ValueError or OSError for what cannot be read.
    """
    fields: dict[str, Any] = {
        "from_": str(message.from_email),
        "to": as_texts(message.to),
        "cc": as_texts(message.cc),
        "bcc": as_texts(message.bcc),
        "reply_to": as_texts(message.reply_to),
        "subject": str(message.subject),
        **read_content(message),
    }
    headers = read_headers(message.extra_headers, fields)
    options = {
        **headers,
        **{name: getattr(message, name) for name in OPTIONS if getattr(message, name, None) is not None},
    }
    key = options.pop("idempotency_key", None)
    fields.update(options)
    return EmailFields(**{name: value for name, value in fields.items() if is_given(value)}), key  # type: ignore[typeddict-item]


def is_given(value: Any) -> bool:
    return isinstance(value, bool | datetime) or bool(value)


def as_texts(values: Sequence[Any]) -> list[str]:
    return [str(value) for value in values]


def read_content(message: EmailMessage) -> dict[str, Any]:
    """`text`, `html` and `attachments`."""
    body = str(message.body or "")
    found: dict[str, Any] = {"html" if message.content_subtype == "html" else "text": body}
    files = [read_attachment(each) for each in message.attachments]
    for alternative in getattr(message, "alternatives", None) or []:
        content, mimetype = alternative
        if mimetype == "text/html":
            if found.get("html"):
                raise UnsupportedMessageError("alternatives", "an email has one HTML part")
            found["html"] = str(content)
        elif mimetype == "text/plain" and not found.get("text"):
            found["text"] = str(content)
        else:
            files.append(read_alternative(content, mimetype))
    return {**found, "attachments": files}


def read_headers(given: Mapping[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    """Put the message's own headers into `fields`; the options among them are returned."""
    headers: dict[str, str] = {}
    options: dict[str, Any] = {}
    for name, value in given.items():
        lower = name.lower()
        if lower in ADDRESSES:
            read_address_header(ADDRESSES[lower], str(value), fields)
        elif lower.startswith(PREFIX):
            option = lower.removeprefix(PREFIX).replace("-", "_")
            if option not in OPTIONS:
                raise UnsupportedMessageError(name, "there is no such option")
            options[option] = OPTIONS[option](str(value))
        elif lower not in WRITTEN:
            headers[name] = str(value)
    fields["headers"] = headers
    return options


def read_address_header(field: str, value: str, fields: dict[str, Any]) -> None:
    """Django writes such a header in place of what the message's attribute says."""
    if field == "from_":
        fields["from_"] = value
    elif field == "reply_to":
        fields["reply_to"] = value
    elif value != ", ".join(fields[field]):
        raise UnsupportedMessageError(field, "a header that differs from the recipients is not supported")


def direct(fields: EmailFields) -> list[EmailFields]:
    """The email, or several in place of one without anybody in `to`, which the service does not take.

    Recipients in `cc` are shown in `to` instead. With blind recipients only, each gets an email of his own: none sees
    another.
    """
    if fields.get("to"):
        return [fields]
    rest = {name: value for name, value in fields.items() if name not in {"to", "cc", "bcc"}}
    bcc: Any = fields.get("bcc", [])
    if cc := fields.get("cc"):
        return [EmailFields(**rest, to=cc, bcc=bcc)]  # type: ignore[typeddict-item]
    return [EmailFields(**rest, to=[address]) for address in bcc]  # type: ignore[typeddict-item]
