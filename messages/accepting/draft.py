"""The draft of an email: the caller's request with valid syntax, before anything is looked up or stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from common.addresses import Address
from messages.attachments import File
from messages.states import Lane, OnUncertain


@dataclass(frozen=True, slots=True, kw_only=True)
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
    enable_unsubscribe: bool = False
    scheduled_at: datetime | None = None
    expires_at: datetime | None = None
    attachments: Sequence[File] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    tags: Sequence[str] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    priority: Lane = Lane.NORMAL
    on_uncertain: OnUncertain = OnUncertain.RETRY
