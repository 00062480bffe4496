"""The SMTP side: takes any mail for anybody, and answers 250 once it is committed."""

import asyncio
from functools import partial

import structlog
from django.conf import settings

from common.listening import BindAddress, open_server, tell_address
from delivery.smtp.incoming import BUFFERED_BYTES, MESSAGE_BYTES
from delivery.smtp.server import Envelope, ServerLimits, ServerManner, SmtpConversation, SmtpServer
from inbox.storing import open_threads, prune, store_received

LIMITS = ServerLimits(
    message_bytes=MESSAGE_BYTES, buffered_bytes=BUFFERED_BYTES, connections=1000, recipients=1000, idle_seconds=300.0
)
MANNER = ServerManner(
    ident=f"emailsvc inbox {settings.SERVICE_RUN_ID}".rstrip(),
    failure="451 4.3.0 The inbox failed over this, try again later",
    ending="421 4.3.2 The inbox is shutting down",
    extensions=("PIPELINING", "ENHANCEDSTATUSCODES"),
)
STORE_SECONDS = 30.0
STOP_SECONDS = 1.0  # that a message being stored is waited for, when told to end
PRUNE_EVERY = 100  # messages

NO_ADDRESS = "553 5.1.3 A recipient needs an address"
TOO_SLOW = "451 4.3.0 The inbox's database is slow, try again later"

log = structlog.get_logger(__name__)


class InboxConversation(SmtpConversation):
    """One client's connection."""

    def __init__(self, listener: "Listener") -> None:
        super().__init__(listener)
        self._listener = listener

    def judge_recipient(self, address: str) -> str:
        return NO_ADDRESS if address == "<>" else ""

    async def receive(self, content: bytes, envelope: Envelope) -> list[str]:
        peer = self.session.peer if self.session else None
        remote_host = str(peer[0]) if isinstance(peer, tuple) else ""
        mail_from = "" if envelope.mail_from == "<>" else str(envelope.mail_from)
        job = partial(store_received, content, (mail_from, list(envelope.rcpt_tos), remote_host))
        return [await self._listener.store(job)]


class Listener(SmtpServer):
    """The server: `start`, then `stop`. All of it runs in the event loop but the work on messages and the database."""

    def __init__(self) -> None:
        super().__init__(MANNER, LIMITS, host_name="localhost")
        self._threads = open_threads()
        self._storing_count = 0
        self._stored_count = 0

    def build_conversation(self) -> InboxConversation:
        return InboxConversation(self)

    def note_failure(self, error: Exception) -> None:
        log.error("inbox_conversation_failed", error=type(error).__name__)

    async def start(self, place: BindAddress) -> tuple[str, int]:
        """Listen; the address and port. Raises OSError when the place cannot be had."""
        server = await open_server(self.accept, place)
        self.run(server)
        self._threads.run(prune)
        return tell_address(server)

    async def stop(self) -> None:
        """Take no more, answer for what is being stored if that is quick, and end the rest."""
        self.refuse_more()
        loop = asyncio.get_running_loop()
        until = loop.time() + STOP_SECONDS
        while self._storing_count and loop.time() < until:
            await asyncio.sleep(0.01)
        await self.end_conversations()
        self._threads.close(timeout=0.3)

    async def store(self, job: partial[str]) -> str:
        """Store one message; the reply."""
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
