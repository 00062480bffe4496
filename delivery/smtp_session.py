"""From nothing to a server that is ready for MAIL: connect, greeting, EHLO, STARTTLS, AUTH."""

import socket
import ssl
from collections.abc import Mapping
from ipaddress import ip_address
from time import monotonic

from delivery.envelope import Outcome, Reply, Stage
from delivery.replies import Answer, Peer, classify, clean_text
from delivery.smtp_auth import ACCEPTED, NoMechanismError, authenticate, choose_mechanisms
from delivery.smtp_config import Security, SmtpConfig
from delivery.smtp_wire import Line, LineError, SocketAddress, TlsError, describe_error, dial
from delivery.steps import Call, Steps


class RefusedError(Exception):
    """No session: `reply` says why, and holds for every mail that waited for one."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.text)
        self.reply = reply


class Session:
    """A line that is ready for MAIL, what the server offers on it, and how much it was used."""

    __slots__ = (
        "can_8bit",
        "can_dsn",
        "can_pipeline",
        "has_size",
        "is_dirty",
        "line",
        "message_count",
        "peer",
        "size_limit",
        "used_at",
    )

    def __init__(self, line: Line, offers: Mapping[str, str], peer: Peer) -> None:
        self.line = line
        self.peer = peer
        self.can_pipeline = "PIPELINING" in offers
        self.can_8bit = "8BITMIME" in offers
        self.can_dsn = "DSN" in offers
        self.has_size = "SIZE" in offers
        # 0 is no limit (RFC 1870, 4).
        self.size_limit = int(offers["SIZE"]) if offers.get("SIZE", "").isdecimal() else 0
        self.is_dirty = False  # a transaction was begun and not ended: RSET before the next
        self.message_count = 0
        self.used_at = monotonic()


def build_tls_context(config: SmtpConfig) -> ssl.SSLContext:
    """TLS 1.2 or newer. Raises OSError for an unreadable `ca_file`."""
    context = ssl.create_default_context(cafile=config.ca_file or None)
    if not config.is_certificate_checked:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def open_session(config: SmtpConfig, context: ssl.SSLContext) -> Steps[Session]:
    """A session ready for MAIL. Raises RefusedError.

    Opportunistic TLS that fails is followed by one try in clear (RFC 7435), unless there are credentials or the
    certificate is to be checked.
    """
    opening = _Opening(config, context)
    try:
        return (yield from opening.open(is_tls_wanted=config.security is not Security.NEVER))
    except TlsError as error:
        may_be_clear = config.security is Security.OPPORTUNISTIC and not config.is_certificate_checked
        if not may_be_clear or config.username:
            raise opening.refuse(str(error), should_pause=error.is_about_certificate) from error
    return (yield from _Opening(config, context).open(is_tls_wanted=False))


class _Opening:
    """One way to a session. Keeps stage and peer, so that whatever goes wrong is told with both."""

    def __init__(self, config: SmtpConfig, context: ssl.SSLContext) -> None:
        self._config = config
        self._context = context
        self._stage = Stage.CONNECT
        self._peer = Peer(f"{config.host}:{config.port}")
        self._ip = ""
        self._line: Line | None = None

    def open(self, *, is_tls_wanted: bool) -> Steps[Session]:
        """A session. Raises RefusedError, and TlsError when the handshake failed. Without a session no line stays."""
        try:
            session = yield from self._talk(is_tls_wanted)
            self._line = None
            return session
        except TlsError:
            raise
        except LineError as error:
            raise self.refuse(str(error)) from error
        finally:
            if self._line is not None:
                self._line.close()

    def refuse(self, text: str, *, should_pause: bool = False) -> RefusedError:
        """What is to be raised when nothing was answered, or nothing that can be used."""
        return RefusedError(
            Reply(
                outcome=Outcome.DEFERRED,
                stage=self._stage,
                text=text,
                remote_host=self._peer.remote_host,
                tls=self._peer.tls,
                should_pause=should_pause,
            )
        )

    def _talk(self, is_tls_wanted: bool) -> Steps[Session]:
        config, times = self._config, self._config.timeouts
        line = self._line = yield from self._dial()
        if config.security is Security.IMPLICIT:
            yield from self._start_tls(line)
        self._stage = Stage.GREETING
        self._check((yield from line.read_answer(times.greeting.total_seconds())), 220)
        offers = yield from self._say_hello(line)
        if is_tls_wanted and not line.is_tls and (yield from self._ask_for_tls(line, offers)):
            yield from self._start_tls(line)
            # What was said in clear counts no more (RFC 3207, 4.2).
            offers = yield from self._say_hello(line)
        if config.username:
            yield from self._authenticate(line, offers)
        return Session(line, offers, self._peer)

    def _dial(self) -> Steps[Line]:
        config = self._config
        deadline = monotonic() + config.timeouts.connect.total_seconds()
        text = "no address"
        for address in (yield from self._find_addresses()):
            ip = str(address[4][0])
            try:
                line = yield from dial(address, config.source_address, deadline)
            except OSError as error:
                text = f"no connection to {ip}: {describe_error(error)}"
            else:
                self._ip = ip
                self._peer = Peer(f"{config.host}[{ip}]:{config.port}")
                return line
        raise self.refuse(text)

    def _find_addresses(self) -> Steps[list[SocketAddress]]:
        host, port = self._config.host, self._config.port
        try:
            # What is an address already is not looked up, which would take a thread.
            return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        except (OSError, UnicodeError):
            pass
        try:
            found: list[SocketAddress] = yield Call(lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError, ValueError) as error:
            raise self.refuse(f"the host was not found: {describe_error(error)}") from error
        return found

    def _say_hello(self, line: Line) -> Steps[dict[str, str]]:
        self._stage = Stage.EHLO
        name = self._config.helo_name
        answer = yield from self._ask(line, f"EHLO {name}")
        if 500 <= answer.code < 600:
            self._check((yield from self._ask(line, f"HELO {name}")), 250)
            return {}
        self._check(answer, 250)
        return _read_offers(answer)

    def _ask_for_tls(self, line: Line, offers: Mapping[str, str]) -> Steps[bool]:
        """Whether the handshake may begin; False is to go on in clear."""
        self._stage = Stage.TLS
        is_needed = self._config.security is not Security.OPPORTUNISTIC or self._config.is_certificate_checked
        if "STARTTLS" not in offers:
            if is_needed:
                raise self.refuse("the server does not offer STARTTLS", should_pause=True)
            return False
        answer = yield from self._ask(line, "STARTTLS")
        if is_needed:
            self._check(answer, 220)
        return answer.code == 220

    def _start_tls(self, line: Line) -> Steps[None]:
        self._stage = Stage.TLS
        config = self._config
        seconds = config.timeouts.tls.total_seconds()
        tls = yield from line.start_tls(self._context, config.server_name or config.host, seconds)
        self._peer = Peer(self._peer.remote_host, tls)

    def _authenticate(self, line: Line, offers: Mapping[str, str]) -> Steps[None]:
        self._stage = Stage.AUTH
        is_safe = line.is_tls or self._config.is_clear_auth_allowed or ip_address(self._ip).is_loopback
        try:
            mechanisms = choose_mechanisms(offers.get("AUTH", ""), is_password_safe=is_safe)
        except NoMechanismError as error:
            raise self.refuse(str(error), should_pause=True) from error
        self._check((yield from authenticate(line, self._config, mechanisms)), ACCEPTED)

    def _ask(self, line: Line, command: str) -> Steps[Answer]:
        seconds = self._config.timeouts.ehlo.total_seconds()
        yield from line.write(command.encode("ascii") + b"\r\n", seconds)
        return (yield from line.read_answer(seconds))

    def _check(self, answer: Answer, code: int) -> None:
        if answer.code != code:
            raise RefusedError(classify(answer, stage=self._stage, peer=self._peer, is_final=False))


def _read_offers(answer: Answer) -> dict[str, str]:
    """EHLO's keywords and their parameters; the first line is the server's name."""
    offers: dict[str, str] = {}
    for line in answer.lines[1:]:
        # `AUTH=LOGIN` is an old form that some servers still send beside `AUTH LOGIN`.
        keyword, _, parameters = clean_text(line).replace("AUTH=", "AUTH ", 1).partition(" ")
        offers[keyword.upper()] = f"{offers.get(keyword.upper(), '')} {parameters}".strip()
    return offers
