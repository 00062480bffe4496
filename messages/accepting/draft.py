"""The draft of an email: the caller's request with valid syntax, before anything is looked up or stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import Enum
from operator import attrgetter
from typing import Any, Self, get_type_hints
from uuid import UUID

from django.db.models import Model

from accounts.streams import DEFAULT_STREAM
from common.addresses import Address
from messages.attachments import File
from messages.models import Content, Message
from messages.states import Lane, OnUncertain


@dataclass(frozen=True, kw_only=True)
class Draft:
    """One requested email. Absent fields are None or empty."""

    from_: Address | None = None
    to: Sequence[Address] = ()
    cc: Sequence[Address] = ()
    bcc: Sequence[Address] = ()
    reply_to: Sequence[Address] = ()
    subject: str = ""
    html: str = ""
    text: str = ""
    template: str = ""
    template_vars: Mapping[str, Any] = field(default_factory=dict)
    domain_id: UUID | None = None
    track_opens: bool = False
    track_clicks: bool = False
    stream: str = DEFAULT_STREAM
    locale: str = ""
    # None until admission: then a broadcast stream sets it.
    enable_unsubscribe: bool | None = None
    scheduled_at: datetime | None = None
    expires_at: datetime | None = None
    attachments: Sequence[File] = ()
    headers: Sequence[tuple[str, str]] = field(default_factory=list)
    tags: Sequence[str] = field(default_factory=list)
    metadata: Mapping[str, str] = field(default_factory=dict)
    priority: Lane = Lane.NORMAL
    on_uncertain: OnUncertain = OnUncertain.RETRY
    # Of mail that came as a mail, see `messages.models.Content`.
    header_recipients: Mapping[str, Sequence[Mapping[str, str]]] | None = None
    original_message_id: str = ""
    # A group of emails that can be cancelled together.
    batch_id: UUID | None = None

    def but(self, **values: Any) -> Self:
        """As `dataclasses.replace`, without its look at each field."""
        changed = object.__new__(type(self))
        changed.__dict__.update(self.__dict__, **values)
        return changed


def list_kept(model: type[Model]) -> Sequence[str]:
    """The fields that a row keeps as they are, under the same name. The sender's domain is looked up anew."""
    columns = {column.attname for column in model._meta.concrete_fields}
    return [each.name for each in fields(Draft) if each.name in columns - {"reply_to", "domain_id"}]


# `build_message` and a resend copy these: a new field of an email needs no line there. The bodies have a row of their
# own.
KEPT = list_kept(Message)
BODIES = list_kept(Content)
_read_kept, _read_bodies = attrgetter(*KEPT), attrgetter(*BODIES)
# A message that is sent again has times of its own, and is in no group.
COPIED = [name for name in KEPT if name not in {"scheduled_at", "expires_at", "batch_id"}]
_ENUMS = {
    name: hint for name, hint in get_type_hints(Draft).items() if isinstance(hint, type) and issubclass(hint, Enum)
}


def keep_fields(draft: Draft) -> dict[str, Any]:
    """The values of `KEPT`, for a new message."""
    return dict(zip(KEPT, _read_kept(draft), strict=True))


def keep_bodies(draft: Draft) -> dict[str, Any]:
    """The values of `BODIES`, for a new message's content."""
    return dict(zip(BODIES, _read_bodies(draft), strict=True))


def copy_fields(message: Message) -> dict[str, Any]:
    """The values of `COPIED` and `BODIES`, for the draft of a message that is sent again."""
    values = {name: getattr(message, name) for name in COPIED}
    values |= {name: getattr(message.content, name) for name in BODIES}
    return {name: _ENUMS[name](value) if name in _ENUMS else value for name, value in values.items()}
