"""An SMTP server on loopback that follows a script: it replies, rejects, delays, falls silent or disconnects.

with SmtpServer(Script(replies={"RCPT": "550 5.1.1 who?"})) as server:
    ...server.port, server.mails, server.commands
"""

import socket
import ssl
from base64 import b64decode, b64encode
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import md5
from hmac import HMAC
from threading import Condition, Event, Thread
from time import sleep


@dataclass(frozen=True)
class Cut:
    """The line is closed instead of an answer; with `is_reset` by RST."""

    is_reset: bool = False


@dataclass(frozen=True)
class Silent:
    """No answer, ever. The line stays open."""


@dataclass(frozen=True)
class Last:
    """An answer, after which the line is closed."""

    text: str


@dataclass(frozen=True)
class Late:
    """An answer after a while."""

    text: str
    seconds: float


@dataclass(frozen=True)
class Joined:
    """An answer once so many connections have been made; after a minute it comes without them."""

    text: str
    connections: int


@dataclass(frozen=True)
class Drip:
    """An answer that comes byte by byte, with a pause after each."""

    text: str
    seconds: float


Act = str | bytes | Cut | Silent | Last | Late | Joined | Drip | None


@dataclass(frozen=True, kw_only=True)
class Script:
    """What the server does.

    `replies` is by verb, with CONNECT for the greeting, CONTENT for the moment when some content has come, `.` for the
    final dot, AUTH for its last word (`AUTH PLAIN` for its first; `AUTH PLAIN +` where the command has an initial
    response), TLS for the handshake. A list is played one by one
    over all connections; None in it, and what comes after its end, is the usual answer. `\\n` in an answer is CRLF. An
    offer `TLS:X` is made only over TLS.
    """

    replies: Mapping[str, Act | Sequence[Act]] = field(default_factory=dict)
    offers: Sequence[str] = ("PIPELINING", "SIZE 10485760", "8BITMIME", "ENHANCEDSTATUSCODES")
    users: Mapping[str, str] = field(default_factory=dict)
    tokens: Collection[str] = ()  # the OAuth tokens that are valid now
    tls: ssl.SSLContext | None = None
    is_tls_implicit: bool = False
    after_starttls: bytes = b""  # injected in clear, in the segment of the 220
    segment: int = 0  # bytes in one segment of an answer; 0: all


@dataclass(kw_only=True)
class Mail:
    """What one transaction left here."""

    return_path: str
    parameters: str
    addresses: list[str]
    content: bytes = b""
    is_tls: bool = False
    user: str = ""


USUAL: Mapping[str, str] = {
    "CONNECT": "220 server.test ESMTP",
    "HELO": "250 server.test",
    "STARTTLS": "220 2.0.0 go ahead",
    "MAIL": "250 2.1.0 ok",
    "RCPT": "250 2.1.5 ok",
    "DATA": "354 go ahead",
    ".": "250 2.0.0 queued",
    "RSET": "250 2.0.0 ok",
    "QUIT": "221 2.0.0 bye",
    "NOOP": "250 2.0.0 ok",
    "AUTH": "235 2.7.0 welcome",
}


class SmtpServer:
    """The server; `mails` holds what was taken, `commands` all lines but content, in the order in which they came."""

    def __init__(self, script: Script | None = None, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.script = script or Script()
        self.mails: list[Mail] = []
        self.commands: list[str] = []
        self.connection_count = 0
        self._joining = Condition()
        self._is_joining_over = False
        self._played: dict[str, int] = {}
        self._ending = Event()
        self._open: list[socket.socket] = []
        self._threads: list[Thread] = []
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listening = socket.create_server((host, port), family=family, backlog=200)
        self.port: int = self._listening.getsockname()[1]

    def __enter__(self) -> "SmtpServer":
        self._spawn(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        for opened in [self._listening, *self._open]:
            with suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)
            opened.close()
        for thread in self._threads:
            thread.join(5)

    def verbs(self) -> list[str]:
        """The first words of `commands`."""
        return [command.partition(" ")[0].upper() for command in self.commands]

    def cut_all(self) -> None:
        """Close all lines that are open now, as a server does that has waited too long."""
        while self._open:
            opened = self._open.pop()
            with suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)
            opened.close()

    def say_to_all(self, text: str) -> None:
        """Send what nobody asked for on all (plain) lines."""
        for opened in self._open:
            with suppress(OSError):
                opened.sendall(text.encode() + b"\r\n")

    def choose(self, verb: str) -> Act:
        """The next act for `verb`."""
        acts = self.script.replies.get(verb)
        if isinstance(acts, Sequence) and not isinstance(acts, str | bytes):
            turn = self._played.get(verb, 0)
            self._played[verb] = turn + 1
            return acts[turn] if turn < len(acts) else None
        return acts

    def is_ending(self, seconds: float) -> bool:
        """Wait, but not longer than the server lives."""
        return self._ending.wait(seconds)

    def await_connections(self, count: int) -> None:
        """Once nobody came in time, nobody is waited for again: a test that goes wrong ends soon."""
        with self._joining:
            came = self._joining.wait_for(lambda: self._is_joining_over or self.connection_count >= count, 60)
            self._is_joining_over |= not came

    def _spawn(self, target: object, *args: object) -> None:
        thread = Thread(target=target, args=args, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._ending.is_set():
            try:
                accepted, _ = self._listening.accept()
            except OSError:
                return
            with self._joining:
                self.connection_count += 1
                self._joining.notify_all()
            self._open.append(accepted)
            self._spawn(self._serve, accepted)

    def _serve(self, accepted: socket.socket) -> None:
        with suppress(OSError):  # `cut_all` may have been quicker
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        dialogue = Dialogue(self, accepted)
        with suppress(OSError, EndOfDialogue):
            dialogue.run()
        with suppress(OSError):
            dialogue.socket.close()


def get_text(act: Act) -> str:
    """What an act says, if anything."""
    return act if isinstance(act, str) else str(getattr(act, "text", ""))


def is_positive(act: Act) -> bool:
    """Whether an act is a 2xx or 3xx."""
    return get_text(act)[:1] in {"2", "3"}


class EndOfDialogue(Exception):  # noqa: N818 - not an error
    """The line is closed, by either side."""


class Dialogue:
    """One connection."""

    def __init__(self, server: SmtpServer, accepted: socket.socket) -> None:
        self.server = server
        self.script = server.script
        self.socket = accepted
        self._buffer = b""
        self._mail: Mail | None = None
        self._user = ""
        self._initial: bytes | None = None
        self._is_tls = False

    def run(self) -> None:
        if self.script.is_tls_implicit:
            self._start_tls()
        self._play("CONNECT")
        while True:
            line = self._read_until(b"\r\n").decode("ascii", "backslashreplace")
            self.server.commands.append(line)
            verb = line.partition(" ")[0].upper()
            handler = HANDLERS.get(verb, Dialogue._do_other)
            handler(self, verb, line[len(verb) + 1 :])

    # Reading and writing

    def _read_until(self, end: bytes) -> bytes:
        while end not in self._buffer:
            self._read_more()
        line, _, self._buffer = self._buffer.partition(end)
        return line

    def _read_more(self) -> None:
        fresh = self.socket.recv(65_536)
        if not fresh:
            raise EndOfDialogue
        self._buffer += fresh

    def _send(self, text: str | bytes) -> None:
        data = text if isinstance(text, bytes) else text.replace("\n", "\r\n").encode() + b"\r\n"
        size = self.script.segment or len(data)
        for start in range(0, len(data), size):
            if start:
                sleep(0.001)
            self.socket.sendall(data[start : start + size])

    def _play(self, verb: str, usual: str = "") -> bool:
        """Answer `verb`, by the script or as usual; whether it went well."""
        return self._perform(self.server.choose(verb) or usual or USUAL.get(verb, "500 5.5.1 what?"))

    def _perform(self, act: Act) -> bool:
        match act:
            case Cut(is_reset):
                self._cut(is_reset)
            case Silent():
                self.server.is_ending(60)
                raise EndOfDialogue
            case Last(text):
                self._send(text)
                raise EndOfDialogue
            case Late(text, seconds):
                if self.server.is_ending(seconds):
                    raise EndOfDialogue
                self._send(text)
            case Joined(text, connections):
                self.server.await_connections(connections)
                self._send(text)
            case Drip(text, seconds):
                self._drip(text, seconds)
            case str() | bytes() as text:
                self._send(text)
        return is_positive(act)

    def _cut(self, is_reset: bool) -> None:
        if is_reset:
            # Linger of zero seconds: the kernel sends RST.
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        raise EndOfDialogue

    def _drip(self, text: str, seconds: float) -> None:
        for byte in text.replace("\n", "\r\n").encode() + b"\r\n":
            self.socket.sendall(bytes([byte]))
            if self.server.is_ending(seconds):
                raise EndOfDialogue

    # Verbs

    def _do_ehlo(self, verb: str, _rest: str) -> None:
        offers = [
            offer
            for offer in self.script.offers
            if not (self._is_tls and offer == "STARTTLS") and not (not self._is_tls and offer.startswith("TLS:"))
        ]
        lines = ["server.test", *(offer.removeprefix("TLS:") for offer in offers)]
        self._play(verb, "\n".join(f"250{' ' if line is lines[-1] else '-'}{line}" for line in lines))

    def _do_starttls(self, verb: str, _rest: str) -> None:
        if self.script.after_starttls:
            self.socket.sendall(b"220 2.0.0 go ahead\r\n" + self.script.after_starttls)
        elif not self._play(verb):
            return
        self._start_tls()

    def _start_tls(self) -> None:
        act = self.server.choose("TLS")
        if act is not None:
            self._read_more()
            self._perform(act)
            raise EndOfDialogue
        assert self.script.tls is not None
        self.server._open.remove(self.socket)
        self.socket = self.script.tls.wrap_socket(self.socket, server_side=True)
        self.server._open.append(self.socket)
        self._is_tls, self._buffer = True, b""

    def _do_auth(self, verb: str, rest: str) -> None:
        mechanism, _, initial = rest.partition(" ")
        key = f"{verb} {mechanism.upper()}"
        if act := (self.server.choose(f"{key} +") if initial else None) or self.server.choose(key):
            self._perform(act)
            return
        self._initial = b64decode(initial) if initial else None
        user = CHECKS[mechanism.upper()](self)
        if (self.script.users or self.script.tokens) and not user:
            self._send("535 5.7.8 bad credentials")
        elif self._play(verb):
            self._user = user

    def _challenge(self, text: bytes) -> bytes:
        if self._initial is not None:
            initial, self._initial = self._initial, None
            return initial
        self._send("334 " + b64encode(text).decode())
        line = self._read_until(b"\r\n")
        self.server.commands.append(line.decode())
        return b64decode(line)

    def _check_plain(self) -> str:
        _, user, password = self._challenge(b"").decode().split("\0")
        return user if self.script.users.get(user) == password else ""

    def _check_login(self) -> str:
        user = self._challenge(b"Username:").decode()
        password = self._challenge(b"Password:").decode()
        return user if self.script.users.get(user) == password else ""

    def _check_cram_md5(self) -> str:
        challenge = b"<1.2@server.test>"
        user, _, digest = self._challenge(challenge).decode().rpartition(" ")
        expected = HMAC(self.script.users.get(user, "?").encode(), challenge, md5).hexdigest()
        return user if digest == expected else ""

    def _check_token(self) -> str:
        """XOAUTH2 and OAUTHBEARER: a rejected token is described first; any answer to that ends the attempt."""
        fields = self._challenge(b"").decode().split("\1")
        user = fields[0].removeprefix("user=").removeprefix("n,a=").rstrip(",")
        token = next((one.partition("Bearer ")[2] for one in fields if one.startswith("auth=")), "")
        if token in self.script.tokens:
            return user
        self._challenge(b'{"status":"invalid_token"}')
        return ""

    def _do_mail(self, verb: str, rest: str) -> None:
        path, _, parameters = rest.partition(">")
        mail = Mail(
            return_path=path.partition("<")[2],
            parameters=parameters.strip(),
            addresses=[],
            is_tls=self._is_tls,
            user=self._user,
        )
        if self._mail is not None:
            self._send("503 5.5.1 nested MAIL")
        elif self._play(verb):
            self._mail = mail

    def _do_rcpt(self, verb: str, rest: str) -> None:
        is_taken = self._play(verb, "" if self._mail else "503 5.5.1 MAIL first")
        if is_taken and self._mail:
            self._mail.addresses.append(rest.partition("<")[2].rpartition(">")[0])

    def _do_data(self, _verb: str, _rest: str) -> None:
        is_in_order = self._mail is not None and bool(self._mail.addresses)
        usual = USUAL["DATA"] if is_in_order else "554 5.5.1 no valid recipients"
        act = self.server.choose("DATA") or usual
        self._perform(act)
        if get_text(act).startswith("354"):
            self._take_content()

    def _take_content(self) -> None:
        if "CONTENT" in self.script.replies:
            self._read_more()
            self._perform(self.server.choose("CONTENT"))
        self._buffer = b"\r\n" + self._buffer
        content = self._read_until(b"\r\n.\r\n") + b"\r\n"
        self.server.commands.append(".")
        mail, self._mail = self._mail, None
        if mail is None or not mail.addresses:
            self._send("554 5.5.1 no valid recipients")
            return
        mail.content = content.replace(b"\r\n.", b"\r\n")[2:]
        act = self.server.choose(".") or USUAL["."]
        if is_positive(act):
            self.server.mails.append(mail)
        self._perform(act)

    def _do_rset(self, verb: str, _rest: str) -> None:
        self._mail = None
        self._play(verb)

    def _do_quit(self, verb: str, _rest: str) -> None:
        self._play(verb)
        raise EndOfDialogue

    def _do_other(self, verb: str, _rest: str) -> None:
        self._play(verb)


HANDLERS = {
    "EHLO": Dialogue._do_ehlo,
    "STARTTLS": Dialogue._do_starttls,
    "AUTH": Dialogue._do_auth,
    "MAIL": Dialogue._do_mail,
    "RCPT": Dialogue._do_rcpt,
    "DATA": Dialogue._do_data,
    "RSET": Dialogue._do_rset,
    "QUIT": Dialogue._do_quit,
}
CHECKS = {
    "PLAIN": Dialogue._check_plain,
    "LOGIN": Dialogue._check_login,
    "CRAM-MD5": Dialogue._check_cram_md5,
    "XOAUTH2": Dialogue._check_token,
    "OAUTHBEARER": Dialogue._check_token,
}
