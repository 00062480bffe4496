"""The formats in which an endpoint may get its events."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from common.ids import parse_id
from webhooks.event_types import EventType
from webhooks.formats import postmark, resend, sendgrid
from webhooks.formats.told_event import ToldEvent, ToldMail
from webhooks.models import Format

Sign = Callable[..., Mapping[str, str]]


def sign_nothing(_secret: str, **_post: Any) -> Mapping[str, str]:
    """Every post has the signature of Standard Webhooks, under Svix's names too."""
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Another service's form of events: its types, the writer of a body, and its own signature."""

    types: Mapping[str, str]
    show: Callable[[ToldEvent], Any]
    sign: Sign = field(default=sign_nothing)


SHAPES: Mapping[str, Shape] = {
    Format.RESEND: Shape(types=resend.TYPES, show=resend.show_event),
    Format.POSTMARK: Shape(types=postmark.TYPES, show=postmark.show_event),
    Format.SENDGRID: Shape(types=sendgrid.TYPES, show=sendgrid.show_event, sign=sendgrid.build_signature),
}


def list_types(format_: str) -> list[str]:
    """The types that have a form in this format."""
    return sorted(SHAPES[format_].types) if format_ in SHAPES else list(EventType.values)


def find_public_key(format_: str, secret: str) -> str:
    """The public key by which receivers verify posts; empty for formats with a shared secret."""
    return sendgrid.write_public_key(secret) if format_ == Format.SENDGRID else ""


def find_email_id(format_: str, payload: str) -> UUID | None:
    """The email whose row the format needs beside the payload."""
    return parse_id(str(json.loads(payload)["data"].get("email_id"))) if format_ in SHAPES else None


def write_body(format_: str, *, event_id: UUID, payload: str, mail: ToldMail | None) -> bytes:
    """The body of a post: our payload as it is, or in another form. The same at each attempt."""
    shape = SHAPES.get(format_)
    if shape is None:
        return payload.encode()
    read = json.loads(payload)
    event = ToldEvent(
        id=str(event_id),
        type=read["type"],
        at=datetime.fromisoformat(read["timestamp"]),
        data=read["data"],
        mail=mail,
    )
    return json.dumps(shape.show(event), separators=(",", ":")).encode()


def sign_body(format_: str, secret: str, *, timestamp: int, body: bytes) -> Mapping[str, str]:
    """The headers of the format's own signature."""
    shape = SHAPES.get(format_)
    return shape.sign(secret, timestamp=timestamp, body=body) if shape else {}
