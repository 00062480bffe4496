"""Submission (RFC 6409): programs that speak SMTP send through the service, with an API key as their password.

Nothing is taken without AUTH, and AUTH only under TLS, on loopback too. 250 follows the commit.
"""

import asyncio
import re
import ssl
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings

from common.addresses import AddressError, parse_address
from common.listening import BindAddress, open_server, tell_address
from delivery.smtp.server import (
    AuthResult,
    Envelope,
    LoginPassword,
    ServerLimits,
    ServerManner,
    SmtpConversation,
    SmtpServer,
)
from gateways.smtp.accepting import Login, Submission, accept_mail, check_login
from gateways.smtp.replies import add_detail, write_text
from ledger.database_threads import DatabaseThreads
from messages.accepting.admission import MAX_RECIPIENTS
from messages.api.attachment_fields import limit_body

LIMITS = ServerLimits(
    message_bytes=limit_body(),
    buffered_bytes=256 * 1024 * 1024,
    connections=500,
    # A client sends the rest in a further transaction (RFC 5321, 4.5.3.1.10).
    recipients=MAX_RECIPIENTS,
    idle_seconds=300.0,
)
MANNER = ServerManner(
    ident=f"ESMTP emailsvc submission {settings.SERVICE_RUN_ID}".rstrip(),
    failure="451 4.3.0 The service failed over this, try again later",
    ending="421 4.3.2 The server is shutting down",
    extensions=("PIPELINING", "ENHANCEDSTATUSCODES"),
)
THREAD_COUNT = 8
# For the whole of a login, from the first byte of the connection on.
LOGIN_SECONDS = 60.0
ACCEPT_SECONDS = 60.0
STOP_SECONDS = 2.0  # that a mail being stored is waited for, when told to end
MAX_WRONG_LOGINS = 3

SLOW = "451 4.3.0 The service's database is slow, try again later"
TOO_MANY_LOGINS = b"421 4.7.0 Too many wrong logins\r\n"
TOO_LATE = b"421 4.7.0 No login came in time\r\n"
# RFC 4954, 5: who sent the mail before, which a server may ignore.
AUTH_PARAMETER = re.compile(r"\sAUTH=\S*", re.IGNORECASE)

log = structlog.get_logger(__name__)


class SubmissionConversation(SmtpConversation):
    """One client's connection. `is_secure`: it has TLS from its begin."""

    needs_login = True
    # The words that clients look for.
    AuthLoginUsernameChallenge = "Username:"
    AuthLoginPasswordChallenge = "Password:"

    def __init__(self, server: "SubmissionServer", *, is_secure: bool) -> None:
        super().__init__(server)
        self._submissions = server
        self._login: Login | None = None
        self._wrong_count = 0
        if is_secure:
            # What the library asks about TLS: there is some, and no more to be had.
            self._tls_protocol = True  # type: ignore[assignment]  # it is only asked whether there is one
            self.tls_context = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        is_new = self._line is None
        super().connection_made(transport)
        if is_new and self._line is not None:
            asyncio.get_running_loop().call_later(LOGIN_SECONDS, self._end_without_login)

    def _end_without_login(self) -> None:
        if self._login is None:
            self.close(TOO_LATE)

    async def push(self, status: Any) -> None:
        is_greeting = self.session is None or not self.session.host_name
        await super().push(add_detail(status) if isinstance(status, str) and not is_greeting else status)

    async def smtp_STARTTLS(self, arg: str) -> None:  # noqa: N802 (aiosmtpd's name)
        if self._tls_protocol:
            await self.push("503 5.5.1 The line has TLS already")
            return
        await super().smtp_STARTTLS(arg)

    async def smtp_MAIL(self, arg: str | None) -> None:  # noqa: N802 (aiosmtpd's name)
        await super().smtp_MAIL(AUTH_PARAMETER.sub("", arg) if arg else arg)

    async def smtp_AUTH(self, arg: str) -> None:  # noqa: N802 (aiosmtpd's name)
        mechanism, space, rest = (arg or "").partition(" ")
        await super().smtp_AUTH(f"{mechanism.upper()}{space}{rest}")

    async def auth_PLAIN(self, server: Any, args: list[str]) -> AuthResult:  # noqa: N802 (aiosmtpd's name)
        return await self._judge(await super().auth_PLAIN(server, args))

    async def auth_LOGIN(self, server: Any, args: list[str]) -> AuthResult:  # noqa: N802 (aiosmtpd's name)
        return await self._judge(await super().auth_LOGIN(server, args))

    def _authenticate(self, _mechanism: str, auth_data: Any) -> AuthResult:
        """The library's check cannot wait for the database: it hands over what was said, for `_judge`."""
        return AuthResult(success=True, auth_data=auth_data)

    async def _judge(self, said: AuthResult) -> AuthResult:
        """Check a login that is well-formed."""
        if not said.success or not isinstance(said.auth_data, LoginPassword):
            return said
        user, password = (each.decode("utf-8", "replace") for each in said.auth_data)
        login = Login(user=user, password=password, peer_address=self.peer_address)
        refusal = await self._submissions.run_apart(partial(check_login, login))
        if not refusal:
            self._login = login
            return AuthResult(success=True)
        self._wrong_count += refusal.startswith("5")
        if self._wrong_count >= MAX_WRONG_LOGINS:
            await self.push(refusal)
            self.close(TOO_MANY_LOGINS)
            return AuthResult(success=False, handled=True)
        return AuthResult(success=False, handled=False, message=refusal)

    def judge_recipient(self, address: str) -> str:
        try:
            parse_address(address)
        except AddressError as error:
            return f"553 5.1.3 {write_text(error.message)}"
        return ""

    async def receive(self, content: bytes, envelope: Envelope) -> list[str]:
        assert self._login is not None
        recipients = [parse_address(address) for address in envelope.rcpt_tos]
        submission = Submission(login=self._login, content=content, recipients=recipients)
        return [await self._submissions.run_apart(partial(accept_mail, submission))]


class SubmissionServer(SmtpServer):
    """The server: `start`, then `stop`. All of it runs in the event loop but the work on mails and the database."""

    def __init__(self, host_name: str, tls: ssl.SSLContext) -> None:
        limits = replace(LIMITS, connections_per_peer=settings.SUBMISSION_CONNECTIONS_PER_PEER)
        super().__init__(MANNER, limits, host_name=host_name, tls=tls)
        self._threads = DatabaseThreads(THREAD_COUNT, "submission")
        self._working_count = 0

    def build_conversation(self) -> SubmissionConversation:
        return SubmissionConversation(self, is_secure=False)

    def build_secure_conversation(self) -> SubmissionConversation:
        return SubmissionConversation(self, is_secure=True)

    def note_failure(self, error: Exception) -> None:
        log.error("submission_conversation_failed", error=type(error).__name__)

    async def start(self, plain: BindAddress, secure: BindAddress) -> tuple[tuple[str, int], tuple[str, int]]:
        """Listen for STARTTLS and for TLS; the two addresses and ports. Raises OSError when a place cannot be had."""
        servers = [await open_server(self.accept, plain)]
        self.run(servers[0])
        servers.append(await open_server(self.accept_tls, secure))
        self.run(servers[1])
        return tell_address(servers[0]), tell_address(servers[1])

    def renew(self, certificate: Path) -> bool:
        """Show new clients the certificate in the file, if it can be read."""
        assert self.tls is not None
        try:
            self.tls.load_cert_chain(certificate)
        except OSError as error:
            log.warning("submission_certificate_unreadable", error=type(error).__name__)
            return False
        return True

    async def stop(self) -> None:
        """Take no more, answer for what is being stored if that is quick, and end the rest."""
        self.refuse_more()
        loop = asyncio.get_running_loop()
        until = loop.time() + STOP_SECONDS
        while self._working_count and loop.time() < until:
            await asyncio.sleep(0.01)
        await self.end_conversations()
        self._threads.close(timeout=0.3)

    async def run_apart(self, work: Callable[[], str]) -> str:
        """Run the work in a thread; its reply, or that of a work that takes too long."""
        self._working_count += 1
        try:
            return await asyncio.wait_for(self._threads.run(work), ACCEPT_SECONDS)
        except TimeoutError:
            log.warning("submission_slow")
            return SLOW
        finally:
            self._working_count -= 1
