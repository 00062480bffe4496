"""An IMAP folder (RFC 3501, RFC 4315): the commands that reading a mailbox needs, and no others."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from delivery.mailboxes.connection import Connection
from delivery.mailboxes.model import MailboxAddress, MailboxError, MailboxLimits

_LITERAL = re.compile(rb"\{(\d{1,10})\+?\}\Z")
_UIDVALIDITY = re.compile(rb"\[UIDVALIDITY (\d{1,10})\]", re.IGNORECASE)
_SEARCH = re.compile(rb"\* SEARCH((?: \d{1,10})*)\s*\Z", re.IGNORECASE)
_FETCHED = re.compile(rb"\* \d+ FETCH\b", re.IGNORECASE)
MAX_RESPONSES = 10_000


@dataclass(frozen=True, slots=True)
class _Response:
    """One response: its lines joined, without the literals, and these."""

    line: bytes
    literals: tuple[bytes, ...]


class ImapMailbox:
    """An open folder. An id is `uidvalidity:uid`; the last one of `seen` stands for all before it."""

    def __init__(self, connection: Connection, address: MailboxAddress, limits: MailboxLimits) -> None:
        """Log in and open the folder. MailboxError."""
        self._connection = connection
        self._limits = limits
        self._number = 0
        greeting = self._read_response().line
        if not greeting.upper().startswith((b"* OK", b"* PREAUTH")):
            raise MailboxError(f"the server refuses: {_show(greeting)}")
        self._ask(b"LOGIN %b %b" % (_quote(address.username), _quote(address.password)), "the login")
        responses = self._ask(b"SELECT %b" % _quote(_to_utf7(address.folder)), f"the folder {address.folder}")
        found = [match[1] for one in responses if (match := _UIDVALIDITY.search(one.line))]
        self._validity = found[0].decode() if found else "0"

    def list_new(self, seen: Sequence[str]) -> list[str]:
        validity, _, last = (seen[-1] if seen else "").partition(":")
        first = int(last) + 1 if validity == self._validity and last.isdigit() else 1
        responses = self._ask(b"UID SEARCH UID %d:*" % first, "the search")
        uids = [int(uid) for one in responses if (match := _SEARCH.match(one.line)) for uid in match[1].split()]
        # `n:*` includes the last mail, whatever its number is (RFC 3501, 6.4.8).
        return [f"{self._validity}:{uid}" for uid in sorted(uids) if uid >= first]

    def remember(self, seen: Sequence[str], done: Sequence[str]) -> list[str]:
        return [max(done, key=_read_uid)] if done else list(seen[-1:])

    def fetch(self, mail_id: str) -> bytes:
        command = b"UID FETCH %d (BODY.PEEK[]<0.%d>)" % (_read_uid(mail_id), self._limits.mail_bytes)
        found = [one for one in self._ask(command, "a mail") if _FETCHED.match(one.line) and one.literals]
        return found[0].literals[0] if found else b""

    def delete(self, mail_ids: Sequence[str]) -> None:
        if not mail_ids:
            return
        uids = b",".join(b"%d" % _read_uid(mail_id) for mail_id in mail_ids)
        self._ask(b"UID STORE %b +FLAGS.SILENT (\\Deleted)" % uids, "the deletion")
        try:
            # By UID, so that mails which somebody else has marked stay (RFC 4315, 2.1).
            self._ask(b"UID EXPUNGE %b" % uids, "the deletion")
        except MailboxError:
            self._ask(b"EXPUNGE", "the deletion")

    def close(self) -> None:
        self._ask(b"LOGOUT", "the end")

    def _ask(self, command: bytes, what: str) -> list[_Response]:
        """The untagged responses to a command; MailboxError naming `what` when it is refused."""
        self._number += 1
        tag = b"a%d" % self._number
        self._connection.send(tag + b" " + command + b"\r\n")
        responses: list[_Response] = []
        for response in self._read_responses():
            if response.line.startswith(tag + b" "):
                status = response.line[len(tag) + 1 :]
                if status.upper().startswith(b"OK"):
                    return [*responses, response]
                raise MailboxError(f"the server refuses {what}: {_show(status)}")
            responses.append(response)
        raise MailboxError("the server sent too many responses")

    def _read_responses(self) -> Iterator[_Response]:
        for _ in range(MAX_RESPONSES):
            yield self._read_response()

    def _read_response(self) -> _Response:
        lines: list[bytes] = []
        literals: list[bytes] = []
        while True:
            line = self._connection.read_line()
            match = _LITERAL.search(line)
            lines.append(line[: match.start()] if match else line)
            if match is None:
                return _Response(b" ".join(lines), tuple(literals))
            literals.append(self._connection.read_block(int(match[1])))


def _read_uid(mail_id: str) -> int:
    return int(mail_id.partition(":")[2])


def _quote(text: str) -> bytes:
    """A quoted string (RFC 3501, 4.3). The caller has refused controls."""
    return b'"%b"' % text.replace("\\", "\\\\").replace('"', '\\"').encode("utf-8")


def _to_utf7(folder: str) -> str:
    """A folder's name as it is sent (RFC 3501, 5.1.3): ASCII as it is, all else in modified UTF-7."""
    pieces = re.findall(r"[\x20-\x7e]+|[^\x20-\x7e]+", folder)
    return "".join(piece.replace("&", "&-") if piece.isascii() else _encode(piece) for piece in pieces)


def _encode(piece: str) -> str:
    return f"&{piece.encode('utf-7').decode().strip('+-').replace('/', ',')}-"


def _show(line: bytes) -> str:
    return line.decode("utf-8", "replace")[:200]
