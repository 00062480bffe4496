"""Small IMAP and POP3 servers on loopback over TLS: one mailbox each, with faults on demand.

with ImapServer(context, {"INBOX": [b"…"]}) as server: … server.port, server.commands, server.folders
"""

import re
import socket
import ssl
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Self

USER, PASSWORD = "box@relay.test", 'p"a\\ss:wörd'
UIDVALIDITY = 77


class _Server(ABC):
    """Accepts connections one by one, each in a thread. `fault` is a method's name that a subclass looks at."""

    def __init__(self, tls: ssl.SSLContext, folders: dict[str, list[bytes]], *, fault: str = "") -> None:
        # The mails of each folder by UID, which is never used again.
        self.folders = {name: dict(enumerate(mails, 1)) for name, mails in folders.items()}
        self.fault = fault
        self.commands: list[str] = []
        self.login_count = 0
        self._tls = tls
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)

    @property
    def port(self) -> int:
        return int(self._listening.getsockname()[1])

    def add(self, folder: str, mail: bytes) -> None:
        self.folders[folder][max(self.folders[folder], default=0) + 1] = mail

    def __enter__(self) -> Self:
        self._accepting.start()
        return self

    def __exit__(self, *_: Any) -> None:
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for thread in [self._accepting, *self._threads]:
            thread.join(10)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                plain, _ = self._listening.accept()
                thread = threading.Thread(target=self._serve, args=(plain,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, plain: socket.socket) -> None:
        with suppress(OSError), plain:
            plain.settimeout(20)
            with self._tls.wrap_socket(plain, server_side=True) as line, line.makefile("rwb") as stream:
                self.talk(stream)

    @abstractmethod
    def talk(self, stream: Any) -> None:
        """Serve one client until it leaves."""

    def read_commands(self, stream: Any) -> Iterator[str]:
        while raw := stream.readline():
            self.commands.append(raw.decode().rstrip("\r\n"))
            yield self.commands[-1]

    def say(self, stream: Any, *lines: str | bytes) -> None:
        for line in lines:
            stream.write((line if isinstance(line, bytes) else line.encode()) + b"\r\n")
        stream.flush()


class ImapServer(_Server):
    """IMAP. Faults: `flood` sends lines without end, `huge` announces a literal of 900 MB, `hang` says nothing."""

    def talk(self, stream: Any) -> None:
        if self.fault == "hang":
            stream.readline()
            return
        self.say(stream, "* OK ready")
        mails: dict[int, bytes] = {}
        deleted: set[int] = set()
        for text in self.read_commands(stream):
            tag, _, command = text.partition(" ")
            word = command.upper()
            if word.startswith("LOGIN"):
                good = [part.replace("\\", "\\\\").replace('"', '\\"') for part in (USER, PASSWORD)]
                is_good = command == f'LOGIN "{good[0]}" "{good[1]}"'
                self.login_count += is_good
                self.say(stream, f"{tag} {'OK in' if is_good else 'NO [AUTHENTICATIONFAILED] wrong'}")
            elif match := re.fullmatch(r'SELECT "(.*)"', command):
                if match[1] not in self.folders:
                    self.say(stream, f"{tag} NO no such folder")
                    continue
                mails = self.folders[match[1]]
                self.say(stream, f"* {len(mails)} EXISTS", f"* OK [UIDVALIDITY {UIDVALIDITY}] valid", f"{tag} OK open")
            elif match := re.fullmatch(r"UID SEARCH UID (\d+):\*", command):
                self._search(stream, tag, mails, int(match[1]))
            elif match := re.fullmatch(r"UID FETCH (\d+) \(BODY\.PEEK\[\]<0\.(\d+)>\)", command):
                body = mails[int(match[1])][: int(match[2])]
                self.say(stream, b"* 1 FETCH (UID %b BODY[]<0> {%d}" % (match[1].encode(), len(body)))
                stream.write(body)
                self.say(stream, ")", f"{tag} OK fetched")
            elif match := re.fullmatch(r"UID STORE ([\d,]+) \+FLAGS\.SILENT \(\\Deleted\)", command):
                deleted |= {int(uid) for uid in match[1].split(",")}
                self.say(stream, f"{tag} OK stored")
            elif word.startswith(("UID EXPUNGE", "EXPUNGE")):
                if self.fault == "no uidplus" and word.startswith("UID"):
                    self.say(stream, f"{tag} BAD unknown command")
                    continue
                for uid in deleted:
                    mails.pop(uid, None)
                self.say(stream, f"{tag} OK gone")
            elif word == "LOGOUT":
                self.say(stream, "* BYE", f"{tag} OK bye")
                return

    def _search(self, stream: Any, tag: str, mails: dict[int, bytes], first: int) -> None:
        if self.fault == "flood":
            while True:
                self.say(stream, b"* " + b"x" * 60_000)
        if self.fault == "huge":
            self.say(stream, "* X {900000000}")
        # The last mail is always in `n:*`.
        uids = sorted({uid for uid in mails if uid >= first} | {max(mails, default=0)} - {0})
        self.say(stream, f"* SEARCH {' '.join(map(str, uids))}".rstrip(), f"{tag} OK found")


class Pop3Server(_Server):
    """POP3; its folder is INBOX."""

    def talk(self, stream: Any) -> None:
        self.say(stream, "+OK ready")
        mails = self.folders["INBOX"]
        numbers, deleted = list(mails), set[int]()
        for text in self.read_commands(stream):
            word, _, argument = text.partition(" ")
            if word == "USER":
                self.say(stream, "+OK" if argument == USER else "-ERR")
            elif word == "PASS":
                self.login_count += argument == PASSWORD
                self.say(stream, "+OK" if argument == PASSWORD else "-ERR [AUTH] wrong")
            elif word == "LIST":
                sizes = [f"{number} {len(mails[uid])}" for number, uid in enumerate(numbers, 1)]
                self.say(stream, "+OK", *sizes, ".")
            elif word == "UIDL":
                self.say(stream, "+OK", *(f"{number} id{uid}" for number, uid in enumerate(numbers, 1)), ".")
            elif word == "RETR":
                lines = mails[numbers[int(argument) - 1]].split(b"\r\n")
                self.say(stream, "+OK", *(b"." + line if line.startswith(b".") else line for line in lines), ".")
            elif word == "DELE":
                deleted.add(numbers[int(argument) - 1])
                self.say(stream, "+OK")
            elif word == "QUIT":
                for uid in deleted:
                    mails.pop(uid)
                self.say(stream, "+OK")
                return
