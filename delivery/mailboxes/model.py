"""A mailbox on a server, which is read from outside: its address, its limits, and what the clients promise."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol


class MailboxError(Exception):
    """The mailbox cannot be used now: no connection, no login, no such folder, or nonsense. The text is for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxAddress:
    """The parts of `imaps://user:password@host:port/folder`. repr does not show the password."""

    protocol: str
    host: str
    port: int
    username: str
    password: str = field(repr=False)
    folder: str = "INBOX"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxLimits:
    """The limits of one visit: seconds in all, bytes of one mail, bytes that the server may send in all."""

    seconds: float = 20.0
    mail_bytes: int = 2 * 1024 * 1024
    total_bytes: int = 64 * 1024 * 1024


class MailboxClient(Protocol):
    """An open mailbox. All methods raise MailboxError and respect the limits."""

    def list_new(self, seen: Sequence[str]) -> list[str]:
        """The ids of mails that are not in `seen`, the oldest first."""

    def remember(self, seen: Sequence[str], done: Sequence[str]) -> list[str]:
        """The next visit's `seen`, after the mails `done`."""

    def fetch(self, mail_id: str) -> bytes:
        """The mail, cut at the limit."""

    def delete(self, mail_ids: Sequence[str]) -> None:
        """Delete mails; certain only after `close`."""

    def close(self) -> None:
        """End the visit politely and commit the deletions."""
