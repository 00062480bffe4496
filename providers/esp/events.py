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

from delivery.replies import clean_text
from providers.esp.bounce_hardness import HARD, read_hardness
from providers.esp.catalog import ESPS, EVENT_LOGIN, TOPICS, Esp
from providers.esp.payloads import MESSAGE_KEY, be_quiet, read_ids
from providers.esp.signatures import VERIFIERS, ForgedError, Posted, check_signature
from providers.esp.sns import sns
from providers.provider_url import ProviderAddress

# In one post; SparkPost sends 10,000 at most.
MAX_EVENTS = 20_000
MAX_TEXT = 1_000
# Of these SES says only whom the mail went to, all of them.
_UNNAMED_AT_SES = frozenset({"opened", "clicked"})
# What reading raises for a body of another shape.
UNREADABLE = (
    AnymailError, ImproperlyConfigured, ValueError, TypeError, LookupError, AttributeError, RecursionError
)  # fmt: skip


class LoginError(Exception):
    """The HTTP login that the row asks for is missing or wrong."""


class UnreadableEventError(Exception):
    """What was posted is no event of this ESP."""


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
    is_hard: bool = False
    url: str = ""
    user_agent: str = ""


def read_events(address: ProviderAddress, request: HttpRequest) -> list[EspEvent]:
    """The events in a post to the row with these settings. LoginError, ForgedError, NonsenseError; NotFetchedError when
    SNS could not be asked.
    """
    esp = ESPS[address.host]
    posted = Posted(body=request.body, headers={name.lower(): value for name, value in request.headers.items()})
    check_login(address.options.get(EVENT_LOGIN, ""), posted.headers.get("authorization", ""))
    if address.host == "ses":
        if not check_sns(address, posted):
            return []
    elif (key := address.options.get(esp.event_key, "")) and address.host in VERIFIERS:
        check_signature(address.host, key, posted)
    try:
        return list(convert(address.host, parse(esp, request)))
    except (
        AnymailError,
        ImproperlyConfigured,
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        RecursionError,
    ) as e:
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


def check_sns(address: ProviderAddress, posted: Posted) -> bool:
    """Whether the message holds an event. A subscription to a topic of ours is confirmed."""
    try:
        message = json.loads(posted.body)
    except (ValueError, RecursionError):
        raise UnreadableEventError("it is not JSON") from None
    if not isinstance(message, dict):
        raise UnreadableEventError("it is not a message of SNS")
    sns.check(message, read_topics(address))
    if message["Type"] == "SubscriptionConfirmation":
        sns.confirm(message)
    return bool(message["Type"] == "Notification")


def read_topics(address: ProviderAddress) -> frozenset[str]:
    """The topics whose messages count: the setting `sns_topics`, with commas between."""
    return frozenset(text.strip() for text in address.options.get(TOPICS, "").split(",") if text.strip())


def parse(esp: Esp, request: HttpRequest) -> Sequence[Any]:
    """django-anymail's events, read from what is known to be the ESP's."""
    # SNS itself says text/plain.
    if esp.name != "ses" and request.content_type != "application/json":
        raise UnreadableEventError("it is not JSON")
    # Checked already; some views want a key to be made at all.
    keys = {esp.event_key: "-"} if esp.name in {"mailersend", "mailgun"} else {}
    with be_quiet():
        view = import_string(esp.event_view)(**keys)
    view.setup(request)
    events: Sequence[Any] = read_ses(view, request) if esp.name == "ses" else view.parse_events(request)
    if len(events) > MAX_EVENTS:
        raise UnreadableEventError("too many events at once")
    return events


def read_ses(view: Any, request: HttpRequest) -> Sequence[Any]:
    """What SES says when it is set up is a sentence, no event."""
    message = json.loads(request.body)
    if not str(message["Message"]).lstrip().startswith("{"):
        return []
    events: Sequence[Any] = view.esp_to_anymail_events(json.loads(message["Message"]), message)
    return events


def convert(name: str, events: Sequence[Any]) -> Iterator[EspEvent]:
    """`events` in our shape."""
    esp = ESPS[name]
    for event in events:
        raw = event.esp_event if isinstance(event.esp_event, Mapping) else {}
        if name == "ses" and event.event_type in _UNNAMED_AT_SES and len(events) > 1:
            continue
        message_id, recipient_id = read_ids(find_metadata(name, event, raw))
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
            is_hard=event.event_type == "bounced" and HARD[name](raw),
            url=write_text(event.click_url),
            user_agent=write_text(event.user_agent),
        )


def find_metadata(name: str, event: Any, raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """Where our ids come back: SES puts them among its tags."""
    found = read_hardness(raw, "mail", "tags") if name == "ses" else event.metadata
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
