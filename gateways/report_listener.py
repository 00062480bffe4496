"""Where bounces come back to: a server that takes reports on our own mail by SMTP or LMTP, and nothing else.

It takes mail for return paths and unsubscribe addresses of ours, whose MAC it checks before anything else is said, and
complaints at a few names of REPORT_DOMAIN. It answers 250 when what a report says is committed. It sends nothing: what
it cannot use it refuses while the other side is there to hear it, so there is nothing to bounce, and no relaying.
"""

import asyncio
import ssl
from dataclasses import replace

import structlog
from django.conf import settings

from common.listening import BindAddress, open_server, tell_address
from delivery.smtp.server import Envelope, ServerLimits, ServerManner, SmtpConversation, SmtpServer
from gateways.report_threads import RecordThreads
from messages.feedback.reports import ReceivedReport
from messages.feedback.return_paths import read_recipient
from messages.feedback.unsubscribe_mail import read_address as read_unsubscriber

LIMITS = ServerLimits(
    # A report returns headers or a whole mail; of a mail longer than this nobody needs the rest.
    message_bytes=2 * 1024 * 1024,
    buffered_bytes=64 * 1024 * 1024,
    connections=100,
    recipients=10,
    idle_seconds=60.0,
    session_seconds=300.0,
)
MANNER = ServerManner(
    ident=f"emailsvc reports {settings.SERVICE_RUN_ID}".rstrip(),
    failure="451 4.3.0 The report could not be recorded, try again later",
    ending="421 4.3.2 The server is shutting down",
    is_strict=False,  # hosts that write reports break many rules
)
# Guessing return paths is hopeless; it need not be free as well.
REFUSAL_LIMIT = 5
RECORD_SECONDS = 30.0
# Where feedback loops may send to, at REPORT_DOMAIN.
COMPLAINT_NAMES = frozenset({"abuse", "complaints", "fbl"})

NOT_OURS = "550 5.1.1 This server takes reports on mail that it sent, and no other mail"
TOO_MANY_REFUSALS = "421 4.7.0 Too many unknown recipients"

log = structlog.get_logger(__name__)


def is_complaint_address(address: str) -> bool:
    local_part, _, domain = address.lower().rpartition("@")
    return bool(settings.REPORT_DOMAIN) and domain == settings.REPORT_DOMAIN.lower() and local_part in COMPLAINT_NAMES


class ReportConversation(SmtpConversation):
    """One client's connection. It speaks LMTP (RFC 2033) with who greets with LHLO, SMTP with all others."""

    def __init__(self, listener: "ReportListener") -> None:
        super().__init__(listener)
        self._listener = listener
        self._is_lmtp = False
        self._refusal_count = 0

    def judge_recipient(self, address: str) -> str:
        if read_recipient(address) or read_unsubscriber(address) or is_complaint_address(address):
            return ""
        peer = self.session.peer if self.session else None
        self._refusal_count += 1
        log.info("report_refused", remote_host=str(peer[0]) if isinstance(peer, tuple) else "")
        if self._refusal_count < REFUSAL_LIMIT:
            return NOT_OURS
        self.close_soon()
        return TOO_MANY_REFUSALS

    async def receive(self, content: bytes, envelope: Envelope) -> list[str]:
        return [await self._listener.record(content, address) for address in envelope.rcpt_tos]

    def choose_replies(self, statuses: list[str]) -> list[str]:
        """LMTP answers for each recipient (RFC 2033, 4.2)."""
        return statuses if self._is_lmtp else super().choose_replies(statuses)

    async def smtp_LHLO(self, arg: str) -> None:  # noqa: N802 (aiosmtpd's name)
        self._is_lmtp = True
        await self.smtp_EHLO(arg)


class ReportListener(SmtpServer):
    """The server: `start`, then `stop`. All of it runs in the event loop but understanding and the database."""

    def __init__(self, host_name: str, *, tls: ssl.SSLContext | None = None) -> None:
        limits = replace(LIMITS, connections_per_peer=settings.REPORT_CONNECTIONS_PER_PEER)
        super().__init__(MANNER, limits, host_name=host_name, tls=tls)
        self._threads = RecordThreads()

    def build_conversation(self) -> ReportConversation:
        return ReportConversation(self)

    def note_failure(self, error: Exception) -> None:
        log.error("report_conversation_failed", error=type(error).__name__)

    async def start(self, place: BindAddress) -> tuple[str, int]:
        """Listen; the address and port. Raises OSError when the place cannot be had."""
        server = await open_server(self.accept, place)
        self.run(server)
        return tell_address(server)

    async def stop(self) -> None:
        """Take no more. Whoever has had no answer yet sends his report again."""
        self.refuse_more()
        await self.end_conversations()
        self._threads.close()

    async def record(self, raw: bytes, address: str) -> str:
        """Record what a report to that address says; the reply."""
        received = ReceivedReport(
            raw=raw, recipient_id=read_recipient(address), unsubscriber_id=read_unsubscriber(address)
        )
        try:
            return await asyncio.wait_for(self._threads.run(received), RECORD_SECONDS)
        except TimeoutError:
            log.warning("report_slow")
            return MANNER.failure
