"""A POP3 mailbox (RFC 1939)."""

from collections.abc import Iterator, Sequence

from delivery.mailboxes.connection import Connection
from delivery.mailboxes.model import MailboxAddress, MailboxError, MailboxLimits

# Mails that may stay in the mailbox: the ids of all are remembered.
MAX_KEPT = 5_000


class Pop3Mailbox:
    """An open mailbox. An id is the mail's UIDL."""

    def __init__(self, connection: Connection, address: MailboxAddress, limits: MailboxLimits) -> None:
        """Log in. MailboxError."""
        self._connection = connection
        self._limits = limits
        self._numbers: dict[str, int] = {}
        self._sizes: dict[int, int] = {}
        self._read_status("the connection")
        self._ask(f"USER {address.username}", "the user name")
        self._ask(f"PASS {address.password}", "the login")

    def list_new(self, seen: Sequence[str]) -> list[str]:
        self._ask("LIST", "the list of sizes")
        for line in self._read_lines():
            number, _, size = line.decode("ascii", "replace").partition(" ")
            if number.isdigit() and size.strip().isdigit():
                self._sizes[int(number)] = int(size)
        self._ask("UIDL", "the list of mails")
        for line in self._read_lines():
            number, _, uidl = line.decode("ascii", "replace").partition(" ")
            if number.isdigit() and uidl:
                self._numbers[uidl[:200]] = int(number)
        if len(self._numbers) > MAX_KEPT:
            raise MailboxError(f"the mailbox holds more than {MAX_KEPT} mails; empty it")
        return [uidl for uidl in self._numbers if uidl not in set(seen)]

    def remember(self, seen: Sequence[str], done: Sequence[str]) -> list[str]:
        known = {*seen, *done}
        return [uidl for uidl in self._numbers if uidl in known]

    def fetch(self, mail_id: str) -> bytes:
        # POP3 cannot stop within a mail: a very large one is passed over, and is no report.
        if self._sizes.get(self._numbers[mail_id], 0) > self._limits.total_bytes // 4:
            return b""
        self._ask(f"RETR {self._numbers[mail_id]}", "a mail")
        pieces, size = [], 0
        for line in self._read_lines():
            size += len(line) + 2
            if size <= self._limits.mail_bytes:
                pieces.append(line + b"\r\n")
        return b"".join(pieces)

    def delete(self, mail_ids: Sequence[str]) -> None:
        for mail_id in mail_ids:
            self._ask(f"DELE {self._numbers[mail_id]}", "the deletion")

    def close(self) -> None:
        self._ask("QUIT", "the end")

    def _ask(self, command: str, what: str) -> None:
        self._connection.send(command.encode("utf-8") + b"\r\n")
        self._read_status(what)

    def _read_status(self, what: str) -> None:
        line = self._connection.read_line()
        if not line.startswith(b"+OK"):
            raise MailboxError(f"the server refuses {what}: {line.decode('utf-8', 'replace')[:200]}")

    def _read_lines(self) -> Iterator[bytes]:
        """The lines of a response up to the single dot, without the doubled ones."""
        while (line := self._connection.read_line()) != b".":
            yield line.removeprefix(b".")
