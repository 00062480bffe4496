"""The SMTP side: takes any mail for anybody, and answers 250 once it is committed.

aiosmtpd speaks the protocol. The message itself is taken in by `intake`.
"""

import asyncio
import logging
from functools import partial
from typing import Any

import structlog
from aiosmtpd.smtp import SMTP, Envelope, Session

from common.listening import BindAddress, open_server, tell_address
from delivery.smtp.incoming import MESSAGE_BYTES, Budget, take_message
from inbox.storing import StoreThreads, prune, store_received

RECIPIENT_LIMIT = 1000
CONNECTION_LIMIT = 1000
IDLE_SECONDS = 300.0  # between two commands, and for one message's data (RFC 5321, 4.5.3.2.7)
STORE_SECONDS = 30.0
STOP_SECONDS = 1.0  # that a message being stored is waited for, when told to end
PRUNE_EVERY = 100  # messages

TOO_MANY_RECIPIENTS = "452 4.5.3 Too many recipients"
NO_ADDRESS = "553 5.1.3 A recipient needs an address"
NOT_UNDERSTOOD = "451 4.3.0 The inbox failed over this, try again later"
TOO_SLOW = "451 4.3.0 The inbox's database is slow, try again later"
ENDING = b"421 4.3.2 The inbox is shutting down\r\n"
TOO_MANY = b"421 4.3.2 Too many connections, try again later\r\n"

log = structlog.get_logger(__name__)
# It logs every command, addresses and all, and at DEBUG the messages.
logging.getLogger("mail.log").setLevel(logging.CRITICAL)


class Hooks:
    """What aiosmtpd asks us between the commands."""

    async def handle_EHLO(  # noqa: N802 (aiosmtpd's name)
        self, _server: SMTP, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return [*responses[:-1], "250-PIPELINING", "250-ENHANCEDSTATUSCODES", responses[-1]]

    async def handle_RCPT(  # noqa: N802 (aiosmtpd's name)
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address == "<>":
            return NO_ADDRESS
        if len(envelope.rcpt_tos) >= RECIPIENT_LIMIT:
            return TOO_MANY_RECIPIENTS
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_exception(self, error: Exception) -> str:
        log.error("inbox_conversation_failed", error=type(error).__name__)
        return NOT_UNDERSTOOD


class Conversation(SMTP):
    """One client's connection."""

    # Here only the stream's buffer: commands are limited to 512 octets, messages by `take_message`.
    line_length_limit = 64 * 1024

    def __init__(self, listener: "Listener") -> None:
        super().__init__(
            Hooks(), data_size_limit=MESSAGE_BYTES, hostname="localhost", ident="emailsvc inbox", timeout=IDLE_SECONDS
        )
        self._listener = listener

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._listener.conversations.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._listener.conversations.discard(self)
        super().connection_lost(error)

    def _getaddr(self, arg: str) -> tuple[str | None, str | None]:
        try:
            return super()._getaddr(arg)
        except IndexError:  # the standard library's parser, over `<@`
            return None, None

    async def smtp_DATA(self, arg: str | None) -> None:  # noqa: N802 (aiosmtpd's name)
        assert self.envelope is not None
        assert self.session is not None
        if not self.envelope.rcpt_tos:
            await self.push("503 5.5.1 RCPT comes first")
            return
        if arg:
            await self.push("501 5.5.4 Syntax: DATA")
            return
        await self.push("354 End data with <CR><LF>.<CR><LF>")
        status = await self._listener.receive(self._reader, self.envelope, self.session.peer)
        self.envelope = Envelope()
        await self.push(status)


class Refusal(asyncio.Protocol):
    """The answer to one connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        transport.write(TOO_MANY)
        transport.close()


class Listener:
    """The server: `start`, then `stop`. All of it runs in the event loop but the database's work."""

    def __init__(self) -> None:
        self.conversations: set[Conversation] = set()
        self._budget = Budget()
        self._threads = StoreThreads()
        self._server: asyncio.Server | None = None
        self._storing_count = 0
        self._stored_count = 0

    async def start(self, place: BindAddress) -> tuple[str, int]:
        """Listen; the address and port. Raises OSError when the place cannot be had."""
        self._server = await open_server(self._accept, place)
        self._threads.run(prune)
        return tell_address(self._server)

    async def stop(self) -> None:
        """Take no more, answer for what is being stored if that is quick, and end the rest."""
        if self._server is not None:
            self._server.close()
        loop = asyncio.get_running_loop()
        until = loop.time() + STOP_SECONDS
        while self._storing_count and loop.time() < until:
            await asyncio.sleep(0.01)
        for conversation in list(self.conversations):
            if isinstance(conversation.transport, asyncio.WriteTransport):
                conversation.transport.write(ENDING)
                conversation.transport.close()
        await asyncio.sleep(0)
        self._threads.close(timeout=0.3)

    async def receive(self, reader: asyncio.StreamReader, envelope: Envelope, peer: Any) -> str:
        """Take in one message and store it; the reply."""
        async with take_message(reader, self._budget) as taken:
            if taken.refusal:
                return taken.refusal
            remote_host = str(peer[0]) if isinstance(peer, tuple) else ""
            mail_from = "" if envelope.mail_from == "<>" else str(envelope.mail_from)
            job = partial(store_received, taken.data, (mail_from, list(envelope.rcpt_tos), remote_host))
            return await self._store(job)

    async def _store(self, job: partial[str]) -> str:
        self._storing_count += 1
        try:
            status = await asyncio.wait_for(self._threads.run(job), STORE_SECONDS)
        except TimeoutError:
            log.warning("inbox_store_slow")
            return TOO_SLOW
        finally:
            self._storing_count -= 1
        self._stored_count += 1
        if self._stored_count % PRUNE_EVERY == 0:
            self._threads.run(prune)
        return status

    def _accept(self) -> asyncio.Protocol:
        if len(self.conversations) >= CONNECTION_LIMIT:
            return Refusal()
        return Conversation(self)
