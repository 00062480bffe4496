"""An event as the formats of other services need it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from ledger.sql import fetch_as


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldMail:
    """What an event's payload does not tell of its email."""

    id: UUID
    from_name: str
    from_address: str
    subject: str
    headers: list[list[str]]
    created_at: datetime

    @property
    def sender(self) -> str:
        return f"{self.from_name} <{self.from_address}>" if self.from_name else self.from_address

    @property
    def message_id(self) -> str:
        return f"<{self.id}@{self.from_address.rpartition('@')[2]}>"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldEvent:
    """An event with its payload; `mail` is None for one that has been removed, and for a test event."""

    id: str
    type: str
    at: datetime
    data: Mapping[str, Any]
    mail: ToldMail | None

    @property
    def email_id(self) -> str:
        return str(self.data.get("email_id", ""))

    @property
    def recipient(self) -> str:
        return self.data.get("recipient") or ""

    @property
    def reply(self) -> str:
        """The server's reply, else the reason."""
        return self.data.get("reply") or self.data.get("reason") or ""

    @property
    def tags(self) -> list[str]:
        return list(self.data.get("tags") or [])

    @property
    def metadata(self) -> dict[str, str]:
        return dict(self.data.get("metadata") or {})


# The messages' table belongs to a higher package; this one depends on its schema, not on its code.
_MAILS = """
SELECT id, from_name, from_address, subject, headers::text AS headers, created_at
FROM mail_message WHERE id = ANY(%s::uuid[])
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    id: UUID
    from_name: str
    from_address: str
    subject: str
    headers: str
    created_at: datetime


def read_mails(ids: list[UUID]) -> dict[UUID, ToldMail]:
    """The emails with these ids that there are still."""
    if not ids:
        return {}
    rows = fetch_as(_Row, _MAILS, [ids])
    return {
        row.id: ToldMail(
            id=row.id,
            from_name=row.from_name,
            from_address=row.from_address,
            subject=row.subject,
            headers=json.loads(row.headers),
            created_at=row.created_at,
        )
        for row in rows
    }
