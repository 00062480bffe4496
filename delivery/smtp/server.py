"""The base of every SMTP server of ours: limits, the intake after DATA, and an orderly end, over aiosmtpd.

A server subclasses `SmtpServer` and `SmtpConversation`, and says whom it takes mail for and what becomes of it.
"""

import asyncio
import logging
import re
import ssl
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session, TLSSetupException

from delivery.smtp.incoming import Budget, open_message, take_message

TOO_MANY_RECIPIENTS = "452 4.5.3 Too many recipients"
# Within one line of a reply (RFC 5321, 4.2: textstring).
UNPRINTABLE = re.compile("[^\t\x20-\x7e]")
TOO_MANY = b"421 4.3.2 Too many connections, try again later\r\n"
HANDSHAKE_SECONDS = 10.0
# How long the other side of a line with TLS may take to agree to its end.
STOP_SECONDS = 0.5

__all__ = ["AuthResult", "Envelope", "LoginPassword", "ServerLimits", "ServerManner", "SmtpConversation", "SmtpServer"]

# It logs every command, addresses and all, and at DEBUG the messages.
logging.getLogger("mail.log").setLevel(logging.CRITICAL)


@dataclass(frozen=True, kw_only=True)
class ServerLimits:
    """`buffered_bytes` counts all messages that are being received or worked on, together. `idle_seconds` pass between
    two commands, or for one message's data (RFC 5321, 4.5.3.2.7); `session_seconds`, where there are any, in all.
    `connections_per_peer`, where there is one, is the number that one address may have of `connections`.
    """

    message_bytes: int
    buffered_bytes: int
    connections: int
    recipients: int
    idle_seconds: float
    session_seconds: float | None = None
    connections_per_peer: int | None = None


@dataclass(frozen=True, kw_only=True)
class ServerManner:
    """How a server presents itself. `failure` answers a command over which it failed, `ending` ends all conversations;
    `extensions` are offered beside aiosmtpd's own. `is_strict` refuses bare CR and LF, and lines that are too long.
    """

    ident: str
    failure: str
    ending: str
    extensions: tuple[str, ...] = ()
    is_strict: bool = True


class Hooks:
    """What aiosmtpd asks between the commands."""

    def __init__(self, conversation: "SmtpConversation") -> None:
        self._conversation = conversation

    async def handle_EHLO(  # noqa: N802 (aiosmtpd's name)
        self, _server: SMTP, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        offered = self._conversation.server.manner.extensions
        return [*responses[:-1], *(f"250-{extension}" for extension in offered), responses[-1]]

    async def handle_RCPT(  # noqa: N802 (aiosmtpd's name)
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if refusal := self._conversation.judge_recipient(address):
            return refusal
        if len(envelope.rcpt_tos) >= self._conversation.server.limits.recipients:
            return TOO_MANY_RECIPIENTS
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_exception(self, error: Exception) -> str:
        server = self._conversation.server
        # A client that breaks the handshake off ends its own line: anybody can, and it is no failure of the server.
        if not isinstance(error, TLSSetupException):
            server.note_failure(error)
        return server.manner.failure


class SmtpConversation(SMTP, ABC):
    """One client's connection."""

    # Here only the stream's buffer: commands are limited to 512 octets, messages by `take_message`.
    line_length_limit = 64 * 1024
    # Whether mail is taken only after AUTH, which is offered only under TLS.
    needs_login = False

    def __init__(self, server: "SmtpServer") -> None:
        self.server = server
        super().__init__(
            Hooks(self),
            data_size_limit=server.limits.message_bytes,
            hostname=server.host_name,
            ident=server.manner.ident,
            timeout=server.limits.idle_seconds,
            tls_context=server.tls,
            auth_required=self.needs_login,
        )
        self._line: asyncio.BaseTransport | None = None  # under TLS, too
        self.peer_address = ""

    @abstractmethod
    def judge_recipient(self, address: str) -> str:
        """The reply that refuses the recipient, or nothing."""

    @abstractmethod
    async def receive(self, content: bytes, envelope: Envelope) -> list[str]:
        """Work on one message, dots unstuffed; a reply for each recipient, or one for all."""

    def choose_replies(self, statuses: list[str]) -> list[str]:
        """SMTP answers once: with the worst, so that all recipients come again."""
        return [max(statuses)]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.peer_address = find_peer(transport)
        if self._line is None and self.server.has_many_of(self.peer_address):
            assert isinstance(transport, asyncio.Transport)
            refusal = Refusal()
            transport.set_protocol(refusal)
            refusal.connection_made(transport)
            return
        self.server.conversations.add(self)
        self._line = self._line or transport
        if self.server.limits.session_seconds is not None:
            asyncio.get_running_loop().call_later(self.server.limits.session_seconds, self.close_soon)
        super().connection_made(transport)

    def eof_received(self) -> bool | None:
        # Under TLS the other side may go before the conversation has begun.
        return super().eof_received() if self._line else False

    def connection_lost(self, error: Exception | None) -> None:
        if self._line is None:
            return
        self.server.conversations.discard(self)
        super().connection_lost(error)

    def close_soon(self) -> None:
        """End the connection after what is being written."""
        asyncio.get_running_loop().call_soon(self.close)

    def close(self, last_words: bytes = b"") -> None:
        """End the connection with `last_words`, unless it is ending already."""
        transport = self.transport
        # From Python 3.12 on, a line with TLS that is closed twice cannot be written to any more.
        if isinstance(transport, asyncio.WriteTransport) and not transport.is_closing():
            transport.write(last_words)
            transport.close()

    def abort(self) -> None:
        """End the connection now, whatever the other side has still to say."""
        if isinstance(self._line, asyncio.WriteTransport):
            self._line.abort()

    def _getaddr(self, arg: str) -> tuple[str | None, str | None]:
        try:
            return super()._getaddr(arg)
        except Exception:  # noqa: BLE001 - the standard library's parser fails in many ways over what is no address
            return None, None

    async def push(self, status: Any) -> None:
        """A reply in printable characters: the library repeats a client's words in some."""
        text = status if isinstance(status, str) else status.decode("ascii", "replace")
        await super().push(UNPRINTABLE.sub("?", text))

    async def smtp_DATA(self, arg: str | None) -> None:  # noqa: N802 (aiosmtpd's name)
        assert self.envelope is not None
        if not self.envelope.rcpt_tos:
            await self.push("503 5.5.1 RCPT comes first")
            return
        if arg:
            await self.push("501 5.5.4 Syntax: DATA")
            return
        await self.push("354 End data with <CR><LF>.<CR><LF>")
        statuses = await self._take_in(self.envelope)
        self.envelope = Envelope()
        for status in self.choose_replies(statuses):
            await self.push(status)

    async def _take_in(self, envelope: Envelope) -> list[str]:
        """Read one message and have it worked on, while it counts against the budget; a reply for each recipient."""
        async with take_message(self._reader, self.server.budget) as taken:
            content, refusal = b"", taken.refusal
            if not refusal:
                loop = asyncio.get_running_loop()
                content, refusal = await loop.run_in_executor(
                    None, open_message, taken.data, self.server.manner.is_strict
                )
            if refusal:
                return [refusal] * len(envelope.rcpt_tos)
            return await self.receive(content, envelope)


def find_peer(transport: asyncio.BaseTransport) -> str:
    """The other side's IP address; "" for a Unix socket."""
    name = transport.get_extra_info("peername")
    return str(name[0]) if isinstance(name, tuple) else ""


class Refusal(asyncio.Protocol):
    """The answer to one connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        transport.write(TOO_MANY)
        transport.close()


class TlsGate(asyncio.Protocol):
    """A line until TLS is agreed on. It counts as a connection from its begin, so that silent clients have a limit."""

    def __init__(self, server: "SmtpServer") -> None:
        self._server = server
        self._task: asyncio.Task[None] | None = None
        self.peer_address = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.peer_address = find_peer(transport)
        if self._server.is_full or self._server.has_many_of(self.peer_address):
            # Words without TLS would be noise here.
            transport.abort()
            return
        self._server.gates.add(self)
        self._task = asyncio.get_running_loop().create_task(self._agree(transport))

    async def _agree(self, transport: asyncio.Transport) -> None:
        assert self._server.tls is not None
        conversation = self._server.build_secure_conversation()
        try:
            secure = await asyncio.get_running_loop().start_tls(
                transport, conversation, self._server.tls, server_side=True, ssl_handshake_timeout=HANDSHAKE_SECONDS
            )
        except OSError:  # what TLS, time-outs and lost lines raise
            transport.abort()
            return
        finally:
            self._server.gates.discard(self)
        if secure is not None and not secure.is_closing():
            conversation.connection_made(secure)


class SmtpServer(ABC):
    """A server. A subclass makes an asyncio server of `accept`, and hands it to `run`."""

    def __init__(
        self, manner: ServerManner, limits: ServerLimits, *, host_name: str, tls: ssl.SSLContext | None = None
    ) -> None:
        self.manner = manner
        self.limits = limits
        self.host_name = host_name
        self.tls = tls
        self.budget = Budget(limits.buffered_bytes, limits.message_bytes)
        self.conversations: set[SmtpConversation] = set()
        # Lines on which TLS is being agreed on before the conversation begins.
        self.gates: set[TlsGate] = set()
        self._servers: list[asyncio.Server] = []

    @abstractmethod
    def build_conversation(self) -> SmtpConversation:
        """What speaks with the next client."""

    @abstractmethod
    def note_failure(self, error: Exception) -> None:
        """Log that a conversation failed; its client is told to come again."""

    def accept(self) -> asyncio.Protocol:
        """The protocol of one connection."""
        if self.is_full:
            return Refusal()
        return self.build_conversation()

    def accept_tls(self) -> asyncio.Protocol:
        """The protocol of one connection that begins with TLS (RFC 8314, 3.3)."""
        return TlsGate(self)

    def build_secure_conversation(self) -> SmtpConversation:
        """What speaks with the next client on a line that has TLS already."""
        raise NotImplementedError

    @property
    def is_full(self) -> bool:
        return len(self.conversations) + len(self.gates) >= self.limits.connections

    def has_many_of(self, peer: str) -> bool:
        """Whether this address has its number of connections."""
        limit = self.limits.connections_per_peer
        if limit is None or not peer:
            return False
        lines: list[SmtpConversation | TlsGate] = [*self.conversations, *self.gates]
        return sum(line.peer_address == peer for line in lines) >= limit

    def run(self, *servers: asyncio.Server) -> None:
        """Take over what accepts the connections, to close it."""
        self._servers += servers

    def refuse_more(self) -> None:
        """Take no more connections."""
        for server in self._servers:
            server.close()

    async def end_conversations(self) -> None:
        """Tell everybody and hang up, in a second at most."""
        for conversation in list(self.conversations):
            conversation.close(f"{self.manner.ending}\r\n".encode())
        await self._await_end(STOP_SECONDS)
        for conversation in list(self.conversations):
            conversation.abort()
        await self._await_end(STOP_SECONDS)

    async def _await_end(self, seconds: float) -> None:
        """Until all conversations have ended; a line with TLS ends when the other side has said so too."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        await asyncio.sleep(0)  # the turn in which sockets are closed
        while self.conversations and loop.time() < until:
            await asyncio.sleep(0.01)
