"""Kept-open sessions to one server."""

import ssl
from collections import deque
from contextlib import suppress
from time import monotonic

from delivery.smtp.config import SmtpConfig
from delivery.smtp.handshake import build_tls_context, open_session
from delivery.smtp.session import Session

TIDY_SECONDS = 1.0


class SessionPool:
    """Lends sessions to many conversations: the one last used first, so that the rest may grow old and be closed.

    Safe for many threads without a lock: `deque.append`, `pop` and `popleft` are atomic.
    """

    def __init__(self, config: SmtpConfig) -> None:
        self._config = config
        self._context: ssl.SSLContext = build_tls_context(config)
        self._idle_seconds = config.idle_limit.total_seconds()
        self._quit_seconds = config.timeouts.quit.total_seconds()
        self._idle: deque[Session] = deque()
        self._leaving: deque[Session] = deque()  # have been told QUIT
        self._is_closed = False
        self._tidy_at = 0.0

    def take(self) -> Session | None:
        """A kept session whose line is alive, if there is one."""
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

    async def open(self) -> Session:
        """A new session. Raises RefusedError."""
        return await open_session(self._config, self._context)

    def give_back(self, session: Session) -> None:
        """Keep `session` for the next mail, unless it has done enough."""
        now = session.used_at = monotonic()
        if session.message_count >= self._config.max_messages:
            self._leave(session)
        else:
            self._idle.append(session)
        if self._is_closed or now >= self._tidy_at:
            self._tidy_at = now + TIDY_SECONDS
            self.tidy()

    def tidy(self) -> bool:
        """Close what is idle for too long; whether anything is still open."""
        now = monotonic()
        # The left end is the longest unused. Another thread may take it between the look and the pop: then a fresher
        # one is closed, which costs a connection and nothing else.
        with suppress(IndexError):
            while self._is_closed or now - self._idle[0].used_at > self._idle_seconds:
                self._leave(self._idle.popleft())
        with suppress(IndexError):
            while self._is_closed or now - self._leaving[0].used_at > self._quit_seconds:
                self._leaving.popleft().connection.close()
        return bool(self._idle or self._leaving)

    def _leave(self, session: Session) -> None:
        """Say QUIT. The line stays for a moment for the answer (RFC 5321, 4.1.1.10), which nobody waits for."""
        session.used_at = monotonic()
        session.connection.write_at_once(b"QUIT\r\n")
        self._leaving.append(session)

    def close(self) -> None:
        """End all idle sessions, within `timeouts.quit` for all; those on loan end when they are given back."""
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
