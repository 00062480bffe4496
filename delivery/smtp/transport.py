"""The transport over SMTP: one server, many connections, one recipient per envelope."""

import asyncio
import re
from collections.abc import Sequence

from delivery.concurrency.async_transport import AsyncBeforeDot, AsyncTransport, Replies, Talk
from delivery.envelope import Delivery, Outcome, Reply, Stage
from delivery.judging.terms import About, Reason
from delivery.smtp.config import SmtpConfig
from delivery.smtp.pool import SessionPool
from delivery.smtp.session import Session, SessionRefusedError
from delivery.smtp.transaction import SmtpSeconds, Transaction

# Printable ASCII, with spaces and angle brackets only in a quoted local part (RFC 5321, 4.1.2), so that no character
# can end the path or the command.
_PATH = re.compile(r"""(?:"(?:[ !#-\[\]-~]|\\[ -~]){1,62}"(?=@))?[!-;=?-~]{1,320}""")


class SmtpTransport(AsyncTransport):
    """A `Transport` to one SMTP server, with kept-open connections. Each conversation holds at most one of them.

    An address or return path that could break out of its command fails and is never sent. A lone CR or LF in the
    content becomes CRLF, which would break its signature: build content with CRLF.
    """

    def __init__(self, config: SmtpConfig) -> None:
        self._config = config
        self._pool = SessionPool(config)
        self._seconds = SmtpSeconds(config)

    async def converse(self, deliveries: Sequence[Delivery], before_dot: AsyncBeforeDot) -> Replies:
        """Send mails one after the other over one connection. When it breaks, the rest use a new one; without a new one
        they are deferred.
        """
        talk = self.begin()
        try:
            for delivery in deliveries:
                reply = talk.refusal and (check_paths(delivery) or talk.refusal)
                reply = reply or await talk.hand_over(delivery, before_dot)
                if reply is not None:
                    yield delivery.recipient_id, reply
        finally:
            talk.end()

    def begin(self) -> "SmtpTalk":
        """See `AsyncTransport`."""
        return SmtpTalk(self._config, self._pool, self._seconds)

    def greet(self) -> Reply | None:
        """Open a session and keep it for the first mail; the result is the refusal, or None. Blocks; sends no mail."""
        try:
            self._pool.give_back(asyncio.run(self._pool.open()))
        except SessionRefusedError as error:
            return error.reply
        return None

    @property
    def login_method(self) -> str:
        """The AUTH method that the server accepted last, for people; `""` without one."""
        return self._pool.login_method

    def tidy(self) -> bool:
        """Close connections idle for longer than `idle_limit`; the result tells whether any is still open."""
        return self._pool.tidy()

    def close(self) -> None:
        """Send QUIT on all idle connections, within `timeouts.quit`; busy ones end after their mail."""
        self._pool.close()


class SmtpTalk(Talk):
    """Mails one after the other over one session. `refusal` is the reply of a server that opened none, if any."""

    def __init__(self, config: SmtpConfig, pool: SessionPool, seconds: SmtpSeconds) -> None:
        self._config = config
        self._pool = pool
        self._seconds = seconds
        self._session: Session | None = None
        self.refusal: Reply | None = None

    async def hand_over(self, delivery: Delivery, before_dot: AsyncBeforeDot) -> Reply | None:
        problem = check_paths(delivery)
        if problem is not None:
            return problem
        try:
            session = self._take_kept() or (await self._pool.open(delivery.clock))
            while True:
                transaction = Transaction(
                    session, delivery, self._seconds, before_dot=before_dot, is_final=self._config.is_final
                )
                reply = await self._run(session, transaction)
                if not transaction.is_stale:
                    return reply
                delivery.clock.end()
                session = await self._pool.open(delivery.clock)
        except SessionRefusedError as error:
            self.refusal = error.reply
            return error.reply

    async def _run(self, session: Session, transaction: Transaction) -> Reply | None:
        try:
            return await transaction.run()
        finally:
            # Runs also after an exception or a cancellation.
            if not transaction.is_line_usable:
                session.connection.close()
            elif session.message_count >= self._config.max_messages:
                self._pool.give_back(session)
            else:
                self._session = session

    def _take_kept(self) -> Session | None:
        session, self._session = self._session, None
        if session is not None and session.connection.is_quiet():
            return session
        if session is not None:
            session.connection.close()
        return self._pool.take()

    def end(self) -> None:
        """Give the session back."""
        session, self._session = self._session, None
        if session is not None:
            self._pool.give_back(session)


def check_paths(delivery: Delivery) -> Reply | None:
    """The reply for an address or return path that must not be sent; None when both are safe."""
    for name, path in (("return path", delivery.return_path), ("address", delivery.address)):
        if not _PATH.fullmatch(path) and (path or name == "address"):
            text = f"the {name} cannot be written in SMTP: {path[:100]!a}"
            return Reply(
                outcome=Outcome.FAILED,
                stage=Stage.MAIL,
                enhanced_code="5.1.3",
                text=text,
                reason=Reason.PROTOCOL,
                about=About.MESSAGE,
            )
    return None
