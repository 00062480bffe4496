"""The header fields by which a mail says what a request says beside its content: stream, tags, times, tracking."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from django.conf import settings

from accounts.idempotency import read_key
from common.errors import ApiError, FieldErrors
from common.strict_json import parse_json
from common.suggestions import describe_unknown
from delivery.mime.fields import Field

PREFIX = "x-emailsvc-"
IDEMPOTENCY_KEY = "idempotency_key"
FLAGS = {"true": True, "yes": True, "1": True, "on": True, "false": False, "no": False, "0": False, "off": False}


def read_words(text: str) -> object:
    return [word.strip() for word in text.split(",") if word.strip()]


def read_flag(text: str) -> object:
    """The text itself if it is none: the check of the field refuses it."""
    return FLAGS.get(text.strip().lower(), text)


def read_text(text: str) -> object:
    return text


# Header → the field of a request, and how its value is read. Readers raise ApiError.
CONTROLS: Mapping[str, tuple[str, Callable[[str], object]]] = {
    "X-Emailsvc-Stream": ("stream", read_text),
    "X-Emailsvc-Tags": ("tags", read_words),
    "X-Emailsvc-Metadata": ("metadata", lambda text: parse_json(text.encode())),
    "X-Emailsvc-Scheduled-At": ("scheduled_at", read_text),
    "X-Emailsvc-Idempotency-Key": (IDEMPOTENCY_KEY, read_key),
    "X-Emailsvc-Track-Opens": ("track_opens", read_flag),
    "X-Emailsvc-Track-Clicks": ("track_clicks", read_flag),
}
BY_LOWER = {name.lower(): name for name in CONTROLS}
# The name of the header for a field of a request.
HEADER_OF = {field: name for name, (field, _) in CONTROLS.items()}


def is_control(field: Field) -> bool:
    """Whether it is one for us. The header that we write on each mail is not, though it may have the same beginning."""
    name = field.name.lower()
    return name.startswith(PREFIX) and name != settings.MAIL_ID_HEADER.lower()


def read_controls(fields: Iterable[Field], errors: FieldErrors) -> dict[str, Any]:
    """The fields of a request that these header fields give; `errors` gets those that cannot be read.

    An unknown one is an error: a misspelt `X-Emailsvc-Sheduled-At` must not send at once.
    """
    found: dict[str, Any] = {}
    for each in fields:
        name = BY_LOWER.get(each.name.lower())
        if name is None:
            sentence = describe_unknown("The service knows no such header.", each.name, CONTROLS)
            errors.add(f"headers.{each.name[:100]}", "unknown_field", sentence)
            continue
        field, read = CONTROLS[name]
        if field in found:
            errors.add(field, "duplicate_header", "The header occurs twice.")
            continue
        try:
            found[field] = read(each.decode())
        except ApiError as error:
            found[field] = None
            errors.add(field, error.public_code, error.detail)
    return found
