"""Where bounces come back to: a server that takes reports on our own mail by SMTP or LMTP, and nothing else.

It takes mail for return paths of ours, whose MAC it checks before anything else is said, and complaints at a few names
of REPORT_DOMAIN. It answers 250 when what a report says is committed. It sends nothing: what it cannot use it refuses
while the other side is there to hear it, so there is nothing to bounce and nobody to relay for.
"""

import asyncio
import logging
import ssl

import structlog
from aiosmtpd.smtp import SMTP, Envelope, Session
from django.conf import settings

from common.listening import BindAddress, open_server, tell_address
from delivery.smtp.incoming import Budget, take_message, unstuff
from gateways.report_threads import RecordThreads
from messages.feedback.reports import ReceivedReport
from messages.feedback.return_paths import read_recipient

# A report returns headers or a whole mail; of a mail longer than this nobody needs the rest.
MESSAGE_BYTES = 2 * 1024 * 1024
HELD_BYTES = 64 * 1024 * 1024
CONNECTION_LIMIT = 100
RECIPIENT_LIMIT = 10
# Guessing return paths is hopeless; it need not be free as well.
REFUSAL_LIMIT = 5
IDLE_SECONDS = 60.0
SESSION_SECONDS = 300.0
RECORD_SECONDS = 30.0
# How long the other side of a line with TLS may take to agree to its end.
STOP_SECONDS = 0.5
# Where feedback loops may send to, at REPORT_DOMAIN.
COMPLAINT_NAMES = frozenset({"abuse", "complaints", "fbl"})

NOT_OURS = "550 5.1.1 This server takes reports on mail that it sent, and no other mail"
TOO_MANY_RECIPIENTS = "452 4.5.3 Too many recipients"
TOO_MANY_REFUSALS = "421 4.7.0 Too many unknown recipients"
NOT_UNDERSTOOD = "451 4.3.0 The report could not be recorded, try again later"
ENDING = b"421 4.3.2 The server is shutting down\r\n"
TOO_MANY = b"421 4.3.2 Too many connections, try again later\r\n"

log = structlog.get_logger(__name__)
# It logs every command, addresses and all.
logging.getLogger("mail.log").setLevel(logging.CRITICAL)


class Hooks:
    """What aiosmtpd asks between the commands."""

    async def handle_RCPT(  # noqa: N802 (aiosmtpd's name)
        self, server: SMTP, session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        assert isinstance(server, ReportConversation)
        if read_recipient(address) is None and not is_complaint_address(address):
            server.refusal_count += 1
            log.info("report_refused", remote_host=str(session.peer[0]) if isinstance(session.peer, tuple) else "")
            if server.refusal_count >= REFUSAL_LIMIT:
                server.close_soon()
                return TOO_MANY_REFUSALS
            return NOT_OURS
        if len(envelope.rcpt_tos) >= RECIPIENT_LIMIT:
            return TOO_MANY_RECIPIENTS
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_exception(self, error: Exception) -> str:
        log.error("report_conversation_failed", error=type(error).__name__)
        return NOT_UNDERSTOOD


def is_complaint_address(address: str) -> bool:
    local_part, _, domain = address.lower().rpartition("@")
    return bool(settings.REPORT_DOMAIN) and domain == settings.REPORT_DOMAIN.lower() and local_part in COMPLAINT_NAMES


class ReportConversation(SMTP):
    """One client's connection. It speaks LMTP (RFC 2033) with who greets with LHLO, SMTP with all others."""

    # Here only the stream's buffer: commands are limited to 512 octets, messages by `take_message`.
    line_length_limit = 64 * 1024

    def __init__(self, listener: "ReportListener", tls: ssl.SSLContext | None) -> None:
        super().__init__(
            Hooks(),
            data_size_limit=MESSAGE_BYTES,
            hostname=listener.host_name,
            ident="emailsvc reports",
            timeout=IDLE_SECONDS,
            tls_context=tls,
        )
        self._listener = listener
        self._is_lmtp = False
        self._line: asyncio.BaseTransport | None = None  # under TLS, too
        self.refusal_count = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._listener.conversations.add(self)
        self._line = self._line or transport
        asyncio.get_running_loop().call_later(SESSION_SECONDS, self.close_soon)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._listener.conversations.discard(self)
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
        except IndexError:  # the standard library's parser, over `<@`
            return None, None

    async def smtp_LHLO(self, arg: str) -> None:  # noqa: N802 (aiosmtpd's name)
        self._is_lmtp = True
        await self.smtp_EHLO(arg)

    async def smtp_DATA(self, arg: str | None) -> None:  # noqa: N802 (aiosmtpd's name)
        assert self.envelope is not None
        if not self.envelope.rcpt_tos:
            await self.push("503 5.5.1 RCPT comes first")
            return
        if arg:
            await self.push("501 5.5.4 Syntax: DATA")
            return
        await self.push("354 End data with <CR><LF>.<CR><LF>")
        addresses = list(self.envelope.rcpt_tos)
        statuses = await self._listener.receive(self._reader, addresses)
        self.envelope = Envelope()
        # LMTP answers for each recipient (RFC 2033, 4.2), SMTP once: with the worst, so that all come again.
        for status in statuses if self._is_lmtp else [max(statuses)]:
            await self.push(status)


class Refusal(asyncio.Protocol):
    """The answer to one connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        transport.write(TOO_MANY)
        transport.close()


class ReportListener:
    """The server: `start`, then `stop`. All of it runs in the event loop but understanding and the database."""

    def __init__(self, host_name: str, *, tls: ssl.SSLContext | None = None) -> None:
        self.host_name = host_name
        self.conversations: set[ReportConversation] = set()
        self._tls = tls
        self._budget = Budget(HELD_BYTES, MESSAGE_BYTES)
        self._threads = RecordThreads()
        self._server: asyncio.Server | None = None

    async def start(self, place: BindAddress) -> tuple[str, int]:
        """Listen; the address and port. Raises OSError when the place cannot be had."""
        self._server = await open_server(self._accept, place)
        return tell_address(self._server)

    async def stop(self) -> None:
        """Take no more. Whoever has had no answer yet sends his report again."""
        if self._server is not None:
            self._server.close()
        for conversation in list(self.conversations):
            conversation.close(ENDING)
        await self._await_end(STOP_SECONDS)
        for conversation in list(self.conversations):
            conversation.abort()
        await self._await_end(STOP_SECONDS)
        self._threads.close()

    async def _await_end(self, seconds: float) -> None:
        """Until all conversations have ended; a line with TLS ends when the other side has said so too."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        await asyncio.sleep(0)  # the turn in which sockets are closed
        while self.conversations and loop.time() < until:
            await asyncio.sleep(0.01)

    async def receive(self, reader: asyncio.StreamReader, addresses: list[str]) -> list[str]:
        """Take in one report and record what it says; the status for each address."""
        async with take_message(reader, self._budget) as taken:
            if taken.refusal:
                return [taken.refusal] * len(addresses)
            raw = await asyncio.get_running_loop().run_in_executor(None, unstuff, taken.data)
            return [await self._record(raw, address) for address in addresses]

    async def _record(self, raw: bytes, address: str) -> str:
        received = ReceivedReport(raw=raw, recipient_id=read_recipient(address))
        try:
            return await asyncio.wait_for(self._threads.run(received), RECORD_SECONDS)
        except TimeoutError:
            log.warning("report_slow")
            return NOT_UNDERSTOOD

    def _accept(self) -> asyncio.Protocol:
        if len(self.conversations) >= CONNECTION_LIMIT:
            return Refusal()
        return ReportConversation(self, self._tls)
