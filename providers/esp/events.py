"""From an ESP's event webhook to events in one shape: first it is checked who says so, then django-anymail reads it."""

import hmac
import json
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from anymail.exceptions import AnymailError
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.utils.module_loading import import_string

from delivery.judging.model import Category
from delivery.replies import clean_text
from providers.esp.catalog import ESPS
from providers.esp.model import EVENT_LOGIN, Esp, RawEvent, UnreadableEventError
from providers.esp.payloads import MESSAGE_KEY, be_quiet, read_ids
from providers.esp.signatures import ForgedError, Posted, check_signature
from providers.provider_url import ProviderAddress

# In one post; SparkPost sends 10,000 at most.
MAX_EVENTS = 20_000
MAX_TEXT = 1_000
# What reading raises for a body of another shape.
UNREADABLE = (
    AnymailError, ImproperlyConfigured, ValueError, TypeError, LookupError, AttributeError, RecursionError
)  # fmt: skip


class LoginError(Exception):
    """The HTTP login that the row asks for is missing or wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EspEvent:
    """Something that an ESP says of a mail. `type` is django-anymail's word; `key` is the same each time that the same
    is said. Texts are one line, without controls.
    """

    type: str
    key: str
    address: str = ""
    remote_id: str = ""
    message_id: UUID | None = None
    recipient_id: UUID | None = None
    occurred_at: datetime | None = None
    reply: str = ""
    reason: str = ""
    category: Category | None = None  # the ESP's own class of a bounce
    url: str = ""
    user_agent: str = ""


def read_events(address: ProviderAddress, request: HttpRequest) -> list[EspEvent]:
    """The events in a post to the row with these settings. LoginError, ForgedError, NonsenseError; NotFetchedError when
    SNS could not be asked.
    """
    esp = ESPS[address.host]
    posted = Posted(body=request.body, headers={name.lower(): value for name, value in request.headers.items()})
    check_login(address.options.get(EVENT_LOGIN, ""), posted.headers.get("authorization", ""))
    if esp.check_post and not esp.check_post(address.options, posted):
        return []
    if esp.check_signature and (key := address.options.get(esp.event_key, "")):
        check_signature(esp.check_signature, key, posted)
    try:
        return list(convert(esp, parse(esp, request)))
    except UNREADABLE as e:
        raise UnreadableEventError(f"it is no event of {esp.title}: {type(e).__name__}") from None


def check_login(wanted: str, given: str) -> None:
    """HTTP Basic, in constant time."""
    if not wanted:
        return
    scheme, _, text = given.partition(" ")
    try:
        login = b64decode(text, validate=True) if scheme.lower() == "basic" else b""
    except ValueError:
        login = b""
    if not hmac.compare_digest(login, wanted.encode()):
        raise LoginError


def parse(esp: Esp, request: HttpRequest) -> Sequence[Any]:
    """django-anymail's events, read from what is known to be the ESP's."""
    if esp.event_content_type and request.content_type != esp.event_content_type:
        raise UnreadableEventError("it is not JSON")
    # Checked already; some views want a key to be made at all.
    keys = {esp.event_key: "-"} if esp.wants_event_key else {}
    with be_quiet():
        view = import_string(esp.event_view)(**keys)
    view.setup(request)
    events = esp.parse_events(view, request)
    if len(events) > MAX_EVENTS:
        raise UnreadableEventError("too many events at once")
    return events


def convert(esp: Esp, events: Sequence[Any]) -> Iterator[EspEvent]:
    """`events` in our shape."""
    for event in events:
        raw = event.esp_event if isinstance(event.esp_event, Mapping) else {}
        if event.event_type in esp.unnamed_events and len(events) > 1:
            continue
        message_id, recipient_id = read_ids(find_metadata(esp, event, raw))
        address = write_text(event.recipient)
        yield EspEvent(
            type=str(event.event_type),
            key=f"{write_text(event.event_id) or digest(raw)}:{event.event_type}:{address.lower()}",
            address=address if esp.names_recipient or recipient_id else "",
            remote_id=write_text(event.message_id),
            message_id=message_id,
            recipient_id=recipient_id,
            occurred_at=event.timestamp if isinstance(event.timestamp, datetime) else None,
            reply=write_text(event.mta_response or event.description),
            reason=write_text(event.reject_reason),
            category=esp.name_bounce(raw) if event.event_type == "bounced" else None,
            url=write_text(event.click_url),
            user_agent=write_text(event.user_agent),
        )


def find_metadata(esp: Esp, event: Any, raw: RawEvent) -> Mapping[str, Any]:
    """The metadata in which our ids come back; empty where they do not."""
    found = esp.read_metadata(event, raw)
    return found if isinstance(found, Mapping) and MESSAGE_KEY in found else {}


def digest(raw: Mapping[str, Any]) -> str:
    """A name for an event that has none: the same for the same words."""
    return sha256(json.dumps(raw, sort_keys=True, default=str).encode()).hexdigest()


def write_text(value: object) -> str:
    """A text that any table and terminal takes, at most MAX_TEXT long; nothing for what is no text or number."""
    if not isinstance(value, str | int) or isinstance(value, bool):
        return ""
    return clean_text(str(value).encode("utf-8", "replace"))[:MAX_TEXT]


__all__ = ["EspEvent", "ForgedError", "LoginError", "UnreadableEventError", "read_events"]
