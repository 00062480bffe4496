"""A pool of idle sessions with one server."""

import ssl
from collections import deque
from contextlib import suppress
from time import monotonic

from delivery.envelope import ConversationClock
from delivery.smtp.config import SmtpConfig
from delivery.smtp.handshake import build_tls_context, open_session
from delivery.smtp.login import Login
from delivery.smtp.session import Session

TIDY_SECONDS = 1.0


class SessionPool:
    """Lends sessions to many conversations, the last used one first, so that unused ones expire and are closed.

    Safe for many threads without a lock: `deque.append`, `pop` and `popleft` are atomic.
    """

    def __init__(self, config: SmtpConfig) -> None:
        self._config = config
        self._context: ssl.SSLContext = build_tls_context(config)
        self._login = Login(config)
        self._idle_seconds = config.idle_limit.total_seconds()
        self._quit_seconds = config.timeouts.quit.total_seconds()
        self._idle: deque[Session] = deque()
        self._leaving: deque[Session] = deque()  # sessions after QUIT
        self._is_closed = False
        self._tidy_at = 0.0

    @property
    def login_method(self) -> str:
        """The AUTH method that the server accepted last; `""` without one."""
        return str(self._login.accepted or "")

    def take(self) -> Session | None:
        """An idle session with a live connection; None when there is none."""
        with suppress(IndexError):
            while True:
                session = self._idle.pop()
                if monotonic() - session.used_at > self._idle_seconds:
                    self._leave(session)
                elif session.connection.is_quiet():
                    return session
                else:
                    session.connection.close()
        return None

    async def open(self, clock: ConversationClock | None = None) -> Session:
        """Open a new session; the greeting begins `clock`. Raises SessionRefusedError."""
        return await open_session(self._config, self._context, self._login, clock or ConversationClock())

    def give_back(self, session: Session) -> None:
        """Return `session` to the pool, or end it when it has reached the maximum number of mails."""
        session.connection.detach()
        now = session.used_at = monotonic()
        if session.message_count >= self._config.max_messages:
            self._leave(session)
        else:
            self._idle.append(session)
        if self._is_closed or now >= self._tidy_at:
            self._tidy_at = now + TIDY_SECONDS
            self.tidy()

    def tidy(self) -> bool:
        """Close expired idle sessions; the result tells whether any session is still open."""
        now = monotonic()
        # The left end has been idle longest. If another thread takes it between the check and the pop, a fresher one
        # is closed, at the cost of one connection.
        with suppress(IndexError):
            while self._is_closed or now - self._idle[0].used_at > self._idle_seconds:
                self._leave(self._idle.popleft())
        with suppress(IndexError):
            while self._is_closed or now - self._leaving[0].used_at > self._quit_seconds:
                self._leaving.popleft().connection.close()
        return bool(self._idle or self._leaving)

    def _leave(self, session: Session) -> None:
        """Send QUIT. The connection stays open for a moment for the reply (RFC 5321, 4.1.1.10), without blocking."""
        session.used_at = monotonic()
        session.connection.write_at_once(b"QUIT\r\n")
        self._leaving.append(session)

    def close(self) -> None:
        """End all idle sessions within `timeouts.quit` in total; lent sessions end when they are returned."""
        with suppress(IndexError):
            while True:
                self._leave(self._idle.pop())
        deadline = monotonic() + self._quit_seconds
        with suppress(IndexError):
            while True:
                session = self._leaving.popleft()
                session.connection.await_word(max(0.0, deadline - monotonic()))
                session.connection.close()
        self._is_closed = True
        self.tidy()
