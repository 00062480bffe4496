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
from delivery.smtp_wire import Line, LineError, TlsError, describe_error


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


def open_session(config: SmtpConfig, context: ssl.SSLContext) -> Session:
    """A session ready for MAIL. Raises RefusedError.

    Opportunistic TLS that fails is followed by one try in clear (RFC 7435), unless there are credentials or the
    certificate is to be checked.
    """
    opening = _Opening(config, context)
    try:
        return opening.open(is_tls_wanted=config.security is not Security.NEVER)
    except TlsError as error:
        may_be_clear = config.security is Security.OPPORTUNISTIC and not config.is_certificate_checked
        if may_be_clear and not config.username:
            return open_session_in_clear(config, context)
        raise opening.refuse(str(error), should_pause=error.is_about_certificate) from error


def open_session_in_clear(config: SmtpConfig, context: ssl.SSLContext) -> Session:
    """As open_session, without STARTTLS."""
    return _Opening(config, context).open(is_tls_wanted=False)


class _Opening:
    """One way to a session. Keeps stage and peer, so that whatever goes wrong is told with both."""

    def __init__(self, config: SmtpConfig, context: ssl.SSLContext) -> None:
        self._config = config
        self._context = context
        self._stage = Stage.CONNECT
        self._peer = Peer(f"{config.host}:{config.port}")
        self._ip = ""
        self._line: Line | None = None

    def open(self, *, is_tls_wanted: bool) -> Session:
        """A session. Raises RefusedError, and TlsError when the handshake failed; the line is closed then."""
        try:
            return self._talk(is_tls_wanted)
        except (TlsError, RefusedError):
            self._drop()
            raise
        except LineError as error:
            self._drop()
            raise self.refuse(str(error)) from error

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

    def _talk(self, is_tls_wanted: bool) -> Session:
        config, times = self._config, self._config.timeouts
        line = self._line = self._dial()
        if config.security is Security.IMPLICIT:
            self._start_tls(line)
        self._stage = Stage.GREETING
        self._check(line.read_answer(times.greeting.total_seconds()), 220)
        offers = self._say_hello(line)
        if is_tls_wanted and not line.is_tls and self._ask_for_tls(line, offers):
            self._start_tls(line)
            # What was said in clear counts no more (RFC 3207, 4.2).
            offers = self._say_hello(line)
        if config.username:
            self._authenticate(line, offers)
        return Session(line, offers, self._peer)

    def _dial(self) -> Line:
        config = self._config
        deadline = monotonic() + config.timeouts.connect.total_seconds()
        text = "no address"
        try:
            found = socket.getaddrinfo(config.host, config.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise self.refuse(f"the host was not found: {describe_error(error)}") from error
        for family, kind, protocol, _name, address in found:
            dialled = socket.socket(family, kind, protocol)
            try:
                dialled.settimeout(max(0.001, deadline - monotonic()))
                if config.source_address:
                    dialled.bind((config.source_address, 0))
                dialled.connect(address)
                line = Line(dialled)
            except OSError as error:
                dialled.close()
                text = f"no connection to {address[0]}: {describe_error(error)}"
            else:
                self._ip = str(address[0])
                self._peer = Peer(f"{config.host}[{self._ip}]:{config.port}")
                return line
        raise self.refuse(text)

    def _say_hello(self, line: Line) -> dict[str, str]:
        self._stage = Stage.EHLO
        name = self._config.helo_name
        answer = self._ask(line, f"EHLO {name}")
        if 500 <= answer.code < 600:
            answer = self._ask(line, f"HELO {name}")
            self._check(answer, 250)
            return {}
        self._check(answer, 250)
        return _read_offers(answer)

    def _ask_for_tls(self, line: Line, offers: Mapping[str, str]) -> bool:
        """Whether the handshake may begin; False is to go on in clear."""
        self._stage = Stage.TLS
        is_needed = self._config.security is not Security.OPPORTUNISTIC or self._config.is_certificate_checked
        if "STARTTLS" not in offers:
            if is_needed:
                raise self.refuse("the server does not offer STARTTLS", should_pause=True)
            return False
        answer = self._ask(line, "STARTTLS")
        if is_needed:
            self._check(answer, 220)
        return answer.code == 220

    def _start_tls(self, line: Line) -> None:
        self._stage = Stage.TLS
        config = self._config
        seconds = config.timeouts.tls.total_seconds()
        tls = line.start_tls(self._context, config.server_name or config.host, seconds)
        self._peer = Peer(self._peer.remote_host, tls)

    def _authenticate(self, line: Line, offers: Mapping[str, str]) -> None:
        self._stage = Stage.AUTH
        is_safe = line.is_tls or self._config.is_clear_auth_allowed or ip_address(self._ip).is_loopback
        try:
            mechanisms = choose_mechanisms(offers.get("AUTH", ""), is_password_safe=is_safe)
        except NoMechanismError as error:
            raise self.refuse(str(error), should_pause=True) from error
        self._check(authenticate(line, self._config, mechanisms), ACCEPTED)

    def _ask(self, line: Line, command: str) -> Answer:
        seconds = self._config.timeouts.ehlo.total_seconds()
        line.write(command.encode("ascii") + b"\r\n", seconds)
        return line.read_answer(seconds)

    def _check(self, answer: Answer, code: int) -> None:
        if answer.code != code:
            raise RefusedError(classify(answer, stage=self._stage, peer=self._peer, is_final=False))

    def _drop(self) -> None:
        if self._line is not None:
            self._line.close()


def _read_offers(answer: Answer) -> dict[str, str]:
    """EHLO's keywords and their parameters; the first line is the server's name."""
    offers: dict[str, str] = {}
    for line in answer.lines[1:]:
        # `AUTH=LOGIN` is an old form that some servers still send beside `AUTH LOGIN`.
        keyword, _, parameters = clean_text(line).replace("AUTH=", "AUTH ", 1).partition(" ")
        offers[keyword.upper()] = f"{offers.get(keyword.upper(), '')} {parameters}".strip()
    return offers
