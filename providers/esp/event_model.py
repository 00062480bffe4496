"""An ESP's event in the one form that all ESPs share, and the helpers with which an ESP's module reads its fields."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from delivery.judging.model import Category

RawEvent = Mapping[str, Any]


class UnreadableEventError(Exception):
    """The post is no event of this ESP."""


class EventKind(StrEnum):
    """The meaning of an ESP's event for the mail that it is about."""

    ACCEPTED = "accepted"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    LISTED = "listed"  # the ESP did not try: the address is on a list of its own
    FAILED = "failed"
    COMPLAINED = "complained"
    UNSUBSCRIBED = "unsubscribed"
    OPENED = "opened"
    CLICKED = "clicked"
    IGNORED = "ignored"  # documented, and without a meaning for the delivery of a mail
    UNKNOWN = "unknown"  # not in the ESP's documentation when its module was written


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadEvent:
    """An event as an ESP's module reads it; values that it only passes on may have any type.

    `name` is the ESP's word for the type. `occurred_at` is a time in seconds since 1970 or in ISO 8601. `metadata`
    holds our ids. `category` is the ESP's own class of a bounce, where it has one. `is_vague` marks a bounce that may
    be an automatic reply: it does not undo a delivery. `is_unnamed` marks an event that does not tell to which of
    several recipients it belongs.
    """

    name: str
    kind: EventKind
    event_id: object = None
    address: object = None
    remote_id: object = None
    metadata: object = None
    occurred_at: object = None
    reply: object = None
    category: Category | None = None
    is_vague: bool = False
    is_unnamed: bool = False
    feedback_type: object = None
    url: object = None
    user_agent: object = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EspEvent:
    """An event about a mail. `key` is the same for each repetition of the event. Texts are one line, without controls.

    `reply` holds the words of the recipient's server or of the ESP; the other fields are as in `ReadEvent`.
    """

    name: str
    kind: EventKind
    key: str
    address: str = ""
    remote_id: str = ""
    message_id: UUID | None = None
    recipient_id: UUID | None = None
    occurred_at: datetime | None = None
    reply: str = ""
    category: Category | None = None
    is_vague: bool = False
    feedback_type: str = ""
    url: str = ""
    user_agent: str = ""


def read_nested(event: Any, *names: str) -> Any:
    """`event[a][b]…`; None if one of them is missing."""
    for name in names:
        event = event.get(name) if isinstance(event, Mapping) else None
    return event


def read_word(event: Any, *names: str) -> str:
    """The text at `event[a][b]…`; `""` for a missing value and for another type."""
    value = read_nested(event, *names)
    return value if isinstance(value, str) else ""


def read_list(event: Any, *names: str) -> Sequence[Any]:
    """The list at `event[a][b]…`; empty for a missing value and for another type."""
    value = read_nested(event, *names)
    return value if isinstance(value, list) else []


def read_object(text: object) -> Mapping[str, Any]:
    """The JSON object in `text`; empty for everything else."""
    try:
        found = json.loads(text) if isinstance(text, str) else text
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, Mapping) else {}


def read_time(value: object) -> datetime | None:
    """A time in seconds since 1970 (a number, also as text) or in ISO 8601; None for everything else."""
    try:
        if isinstance(value, str) and not value.replace(".", "", 1).isdigit():
            moment = datetime.fromisoformat(value[:40])
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(float(value), UTC)
    except (ValueError, OverflowError, OSError):
        pass
    return None


def join_reply(*parts: object) -> str:
    """The codes and words of a reply as one text; a code that the following words repeat is left out."""
    words = [str(part) for part in parts if isinstance(part, str | int) and not isinstance(part, bool) and part]
    return " ".join(word for index, word in enumerate(words) if word not in " ".join(words[index + 1 :]))


def list_events(payload: Any) -> Sequence[Any]:
    """The events of a post: a JSON array of them, or one."""
    if isinstance(payload, list):
        return payload
    if isinstance(payload, Mapping):
        return [payload]
    raise UnreadableEventError("it is neither an event nor a list of events")
