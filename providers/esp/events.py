"""From an ESP's event webhook to events in one form: first the sender is verified, then the ESP's module reads them."""

import hmac
import json
from base64 import b64decode
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from delivery.replies import clean_text
from providers.configuration.model import ProviderAddress
from providers.esp.catalog import ESPS
from providers.esp.event_model import EspEvent, EventKind, ReadEvent, UnreadableEventError, read_time
from providers.esp.model import EVENT_LOGIN, Esp
from providers.esp.payloads import MESSAGE_KEY, read_ids
from providers.esp.signatures import ForgedError, Posted, check_signature

# In one post; SparkPost sends 10,000 at most.
MAX_EVENTS = 20_000
MAX_TEXT = 1_000
# The name under which unreadable events are counted.
MALFORMED = "(malformed)"
# What reading raises for a body of another shape.
UNREADABLE = (
    UnreadableEventError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)


class LoginError(Exception):
    """The HTTP login that the row asks for is missing or wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostedEvents:
    """The events of a post, and the names of those that the ESP's module does not know, with their number."""

    events: Sequence[EspEvent] = ()
    unknown: Mapping[str, int]


def read_events(address: ProviderAddress, posted: Posted) -> PostedEvents:
    """The events in a post to the provider with these settings.

    An event that cannot be read is counted and does not affect the others. Raises LoginError, ForgedError,
    UnreadableEventError when nothing of the post can be read, and NotFetchedError when SNS could not be asked.
    """
    esp = ESPS[address.host]
    check_login(address.options.get(EVENT_LOGIN, ""), posted.headers.get("authorization", ""))
    if not check_origin(esp, address.options, posted):
        return PostedEvents(unknown={})
    try:
        items = esp.list_events(json.loads(posted.body))
    except UNREADABLE as error:
        raise UnreadableEventError(f"it is no event of {esp.title}: {type(error).__name__}") from None
    if len(items) > MAX_EVENTS:
        raise UnreadableEventError("too many events at once")
    events, unknown = convert(esp, items, posted)
    if items and unknown[MALFORMED] == len(items):
        raise UnreadableEventError(f"it is no event of {esp.title}")
    return PostedEvents(events=events, unknown=unknown)


def check_origin(esp: Esp, settings: Mapping[str, str], posted: Posted) -> bool:
    """Whether the post holds events; ForgedError when it is not proved to be from the ESP, NotFetchedError.

    An ESP that can sign is believed by its signature only: without a key its events are refused.
    """
    if esp.is_test_post and esp.is_test_post(posted):
        return False
    if esp.check_post:
        return esp.check_post(settings, posted)
    if esp.check_signature:
        key = settings.get(esp.event_key, "")
        if not key:
            raise ForgedError(f"{esp.title} signs its events: set {esp.event_key} of the provider to the key")
        check_signature(esp.check_signature, key, posted)
    return True


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


def convert(esp: Esp, items: Sequence[Any], posted: Posted) -> tuple[list[EspEvent], Counter[str]]:
    """The items in our form, and the number of those that could not be read or have an unknown type, by name."""
    events: list[EspEvent] = []
    unknown: Counter[str] = Counter()
    for item in items:
        try:
            found = list(read_item(esp, item, posted))
        except UNREADABLE:
            unknown[MALFORMED] += 1
            continue
        events += [event for event in found if event.kind not in {EventKind.UNKNOWN, EventKind.IGNORED}]
        unknown.update(event.name for event in found if event.kind is EventKind.UNKNOWN)
    return events, unknown


def read_item(esp: Esp, item: Any, posted: Posted) -> Iterator[EspEvent]:
    if not isinstance(item, Mapping):
        raise UnreadableEventError("an event is an object")
    for read in esp.read_event(item, posted):
        yield build_event(esp, item, read)


def build_event(esp: Esp, item: Mapping[str, Any], read: ReadEvent) -> EspEvent:
    """The event with clean texts, our ids, and a key."""
    found = read.metadata if isinstance(read.metadata, Mapping) and MESSAGE_KEY in read.metadata else {}
    message_id, recipient_id = read_ids(found)
    is_named = not read.is_unnamed and (esp.names_recipient or recipient_id is not None)
    address = write_text(read.address) if is_named else ""
    return EspEvent(
        name=write_text(read.name) or MALFORMED,
        kind=read.kind,
        key=name_event(esp, item, read, address),
        address=address,
        remote_id=write_text(read.remote_id),
        message_id=message_id,
        recipient_id=None if read.is_unnamed else recipient_id,
        occurred_at=read_time(read.occurred_at),
        reply=write_text(read.reply),
        category=read.category,
        is_vague=read.is_vague,
        feedback_type=write_text(read.feedback_type).lower(),
        url=write_text(read.url),
        user_agent=write_text(read.user_agent),
    )


def name_event(esp: Esp, item: Mapping[str, Any], read: ReadEvent, address: str) -> str:
    """The event's key. An id that the ESP signs belongs to one event: with another content it is a repetition."""
    event_id = write_text(read.event_id)
    if event_id and esp.signs_event_id:
        return event_id
    return f"{event_id or digest(item)}:{read.name}:{address.lower()}"


def digest(raw: Mapping[str, Any]) -> str:
    """A name for an event that has none: the same for the same words."""
    return sha256(json.dumps(raw, sort_keys=True, default=str).encode()).hexdigest()


def write_text(value: object) -> str:
    """A text that any table and terminal takes, at most MAX_TEXT long; nothing for what is no text or number."""
    if not isinstance(value, str | int) or isinstance(value, bool):
        return ""
    return clean_text(str(value).encode("utf-8", "replace"))[:MAX_TEXT]
