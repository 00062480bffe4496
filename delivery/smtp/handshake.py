"""Open a session that is ready for MAIL: connect, greeting, EHLO, STARTTLS, AUTH."""

import re
import socket
import ssl
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from ipaddress import ip_address
from time import monotonic

from delivery.concurrency.waiting import run_blocking
from delivery.envelope import ConversationClock, Outcome, Reply, Stage
from delivery.judging.terms import Reason
from delivery.replies import Peer, SmtpReply, classify, clean_text
from delivery.smtp.auth import ACCEPTED, NoMethodError
from delivery.smtp.config import Security, SmtpConfig
from delivery.smtp.connection import Connection, ConnectionBrokenError, SocketAddress, TlsError, connect, describe_error
from delivery.smtp.credentials import TokenError
from delivery.smtp.login import Login, LoginInterruptedError
from delivery.smtp.session import Session, SessionRefusedError
from delivery.ssrf import Guard, IpAddress
from delivery.ssrf import RefusedError as NotAdmittedError
from delivery.tls import make_client_context, make_unchecked_context

# A failure at one of these stages concerns one address only; the host's other addresses are tried.
TRY_NEXT_ADDRESS = {Stage.CONNECT, Stage.GREETING}
MAX_ADDRESSES = 5
_HOST_NAME = re.compile(r"[A-Za-z0-9._-]{1,255}")


def build_tls_context(config: SmtpConfig) -> ssl.SSLContext:
    """The TLS context for sessions with this server. Raises OSError for an unreadable `ca_file`."""
    return make_client_context(config.ca_file) if config.is_certificate_checked else make_unchecked_context()


async def open_session(config: SmtpConfig, context: ssl.SSLContext, login: Login, clock: ConversationClock) -> Session:
    """A session ready for MAIL, at the host's first address that greets us. Raises SessionRefusedError."""
    refusal: SessionRefusedError | None = None
    for address in await _find_addresses(config):
        try:
            return await _open_logged_in(_Handshake(address, config, context, login, clock))
        except SessionRefusedError as error:
            clock.end()
            if error.reply.stage not in TRY_NEXT_ADDRESS:
                raise
            refusal = error
    try:
        raise refusal or _refuse_unconnected(config, "the host has no address")
    finally:
        refusal = None  # this frame is in the error's traceback: the circle would keep the mail in memory


async def _find_addresses(config: SmtpConfig) -> Sequence[SocketAddress]:
    if config.guard is not None:
        return await _find_admitted(config, config.guard)
    find = partial(socket.getaddrinfo, config.address or config.host, config.port, type=socket.SOCK_STREAM)
    try:
        # A literal address needs no DNS query, which would take a thread.
        return find(flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        pass
    try:
        found: list[SocketAddress] = await run_blocking(find)
    except (OSError, UnicodeError, ValueError) as error:
        raise _refuse_unconnected(config, f"the host was not found: {describe_error(error)}") from error
    return found[:MAX_ADDRESSES]


async def _find_admitted(config: SmtpConfig, guard: Guard) -> Sequence[SocketAddress]:
    """The addresses that the guard resolved and admitted; resolving again could return others."""
    try:
        found: Sequence[IpAddress] = await run_blocking(partial(guard.find_addresses, config.host, config.port))
    except NotAdmittedError as error:
        raise _refuse_unconnected(config, error.message, is_for_good=True) from error
    except (OSError, ValueError) as error:
        raise _refuse_unconnected(config, f"the host was not found: {describe_error(error)}") from error
    return [
        socket.getaddrinfo(str(ip), config.port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)[0]
        for ip in found[:MAX_ADDRESSES]
    ]


def _refuse_unconnected(config: SmtpConfig, text: str, *, is_for_good: bool = False) -> SessionRefusedError:
    host = f"{config.host}:{config.port}"
    return SessionRefusedError(
        Reply(
            outcome=Outcome.DEFERRED,
            stage=Stage.CONNECT,
            text=text,
            remote_host=host,
            speaker=config.speaker,
            reason=Reason.NETWORK,
            about=config.host_as_subject,
            is_for_good=is_for_good,
        )
    )


async def _open_logged_in(handshake: "_Handshake") -> Session:
    """Open a session at one address. Where the server closes the connection after a rejected AUTH, the other methods
    are tried on new connections.
    """
    while True:
        try:
            return await _open_encrypted(handshake)
        except LoginInterruptedError:
            continue


async def _open_encrypted(handshake: "_Handshake") -> Session:
    """Open a session. After opportunistic TLS has failed, retry once in clear (RFC 7435), unless there are credentials
    or the certificate must be checked.
    """
    config = handshake.config
    try:
        return await handshake.open(is_tls_wanted=config.security is not Security.NEVER)
    except TlsError as error:
        may_be_clear = config.security is Security.OPPORTUNISTIC and not config.is_certificate_checked
        if not may_be_clear or config.username:
            raise handshake.refuse(str(error), is_for_good=error.is_about_certificate) from error
    return await handshake.open(is_tls_wanted=False)


def write_helo_name(name: str) -> str:
    """`name` in the form for EHLO: an address becomes a literal (RFC 5321, 4.1.3), an invalid name `localhost`."""
    with suppress(ValueError):
        ip = ip_address(name)
        return f"[{ip}]" if ip.version == 4 else f"[IPv6:{ip}]"
    try:
        encoded = name.encode("idna").decode()
    except UnicodeError:
        return "localhost"
    return encoded if _HOST_NAME.fullmatch(encoded) else "localhost"


class _Handshake:
    """Attempts to open a session at one address. It tracks stage and peer: each failure is reported with both."""

    def __init__(
        self,
        address: SocketAddress,
        config: SmtpConfig,
        context: ssl.SSLContext,
        login: Login,
        clock: ConversationClock,
    ) -> None:
        self.config = config
        self._clock = clock
        self._address = address
        self._context = context
        self._login = login
        self._stage = Stage.CONNECT
        self._peer = Peer(f"{config.host}:{config.port}")
        self._ip = str(address[4][0])
        self._connection: Connection | None = None

    async def open(self, *, is_tls_wanted: bool) -> Session:
        """Open a session. Raises SessionRefusedError, or TlsError for a failed handshake; both close the connection."""
        self._stage = Stage.CONNECT
        self._clock.end()
        try:
            session = await self._talk(is_tls_wanted)
            self._connection = None
            return session
        except TlsError:
            raise
        except ConnectionBrokenError as error:
            raise self.refuse(str(error)) from error
        finally:
            if self._connection is not None:
                self._connection.close()

    def refuse(self, text: str, *, is_for_good: bool = False) -> SessionRefusedError:
        """The error for a missing or unusable reply."""
        return SessionRefusedError(
            Reply(
                outcome=Outcome.DEFERRED,
                stage=self._stage,
                text=text,
                remote_host=self._peer.remote_host,
                tls=self._peer.tls,
                speaker=self.config.speaker,
                reason=Reason.LOGIN if self._stage in {Stage.TLS, Stage.AUTH} else Reason.NETWORK,
                about=self.config.host_as_subject,
                is_for_good=is_for_good,
            )
        )

    async def _talk(self, is_tls_wanted: bool) -> Session:
        config, times = self.config, self.config.timeouts
        connection = self._connection = await self._dial()
        if config.security is Security.IMPLICIT:
            await self._start_tls(connection)
        self._stage = Stage.GREETING
        self._check((await connection.read_reply(times.greeting.total_seconds())), 220)
        self._clock.begin()
        offers = await self._say_hello(connection)
        if is_tls_wanted and not connection.is_tls and (await self._ask_for_tls(connection, offers)):
            await self._start_tls(connection)
            # Data from before TLS must be discarded (RFC 3207, 4.2).
            offers = await self._say_hello(connection)
        if config.username:
            await self._authenticate(connection, offers)
        return Session(connection, offers, self._peer)

    async def _dial(self) -> Connection:
        config = self.config
        deadline = monotonic() + config.timeouts.connect.total_seconds()
        try:
            connection = await connect(self._address, config.source_address, deadline)
        except OSError as error:
            raise self.refuse(f"no connection to {self._ip}: {describe_error(error)}") from error
        self._peer = Peer(f"{config.host}[{self._ip}]:{config.port}")
        return connection

    async def _say_hello(self, connection: Connection) -> dict[str, str]:
        self._stage = Stage.EHLO
        name = write_helo_name(self.config.helo_name)
        answer = await self._ask(connection, f"EHLO {name}")
        if 500 <= answer.code < 600:
            self._check((await self._ask(connection, f"HELO {name}")), 250)
            return {}
        self._check(answer, 250)
        return _read_offers(answer)

    async def _ask_for_tls(self, connection: Connection, offers: Mapping[str, str]) -> bool:
        """Whether the TLS handshake may start; False means to continue in clear."""
        self._stage = Stage.TLS
        is_needed = self.config.security is not Security.OPPORTUNISTIC or self.config.is_certificate_checked
        if "STARTTLS" not in offers:
            if is_needed:
                raise self.refuse("the server does not offer STARTTLS", is_for_good=True)
            return False
        answer = await self._ask(connection, "STARTTLS")
        if is_needed:
            self._check(answer, 220)
        return answer.code == 220

    async def _start_tls(self, connection: Connection) -> None:
        self._stage = Stage.TLS
        config = self.config
        seconds = config.timeouts.tls.total_seconds()
        tls = await connection.start_tls(self._context, config.server_name or config.host, seconds)
        self._peer = Peer(self._peer.remote_host, tls)

    async def _authenticate(self, connection: Connection, offers: Mapping[str, str]) -> None:
        self._stage = Stage.AUTH
        is_loopback = ip_address(self._ip).is_loopback
        try:
            answer = await self._login.log_in(connection, offers.get("AUTH", ""), is_loopback=is_loopback)
        except NoMethodError as error:
            raise self.refuse(str(error), is_for_good=True) from error
        except TokenError as error:
            raise self.refuse(str(error), is_for_good=error.is_rejected) from error
        self._check(answer, ACCEPTED)

    async def _ask(self, connection: Connection, command: str) -> SmtpReply:
        seconds = self.config.timeouts.ehlo.total_seconds()
        await connection.write(command.encode("ascii") + b"\r\n", seconds)
        return await connection.read_reply(seconds)

    def _check(self, answer: SmtpReply, code: int) -> None:
        if answer.code != code:
            raise SessionRefusedError(
                classify(answer, stage=self._stage, peer=self._peer, is_final=self.config.is_final)
            )


def _read_offers(answer: SmtpReply) -> dict[str, str]:
    """EHLO's keywords and their parameters; the first line is the server's name."""
    offers: dict[str, str] = {}
    for connection in answer.lines[1:]:
        # `AUTH=LOGIN` is an old form that some servers still send beside `AUTH LOGIN`.
        keyword, _, parameters = clean_text(connection).replace("AUTH=", "AUTH ", 1).partition(" ")
        offers[keyword.upper()] = f"{offers.get(keyword.upper(), '')} {parameters}".strip()
    return offers
