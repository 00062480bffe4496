"""Kept-open sessions to one server."""

import ssl
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from time import monotonic

from delivery.smtp_config import SmtpConfig
from delivery.smtp_session import Session, build_tls_context, open_session
from delivery.smtp_wire import LineError


class SessionPool:
    """Lends sessions to many threads: the one last used first, so that the rest may grow old and be closed.

    Needs no lock: `deque.append`, `pop` and `popleft` are atomic.
    """

    def __init__(self, config: SmtpConfig) -> None:
        self._config = config
        self._context: ssl.SSLContext = build_tls_context(config)
        self._idle: deque[Session] = deque()
        self._is_closed = False

    def take(self) -> Session:
        """A session, kept or new. Raises RefusedError."""
        return self.take_kept() or self.open()

    def take_kept(self) -> Session | None:
        """A kept session whose line is alive, if there is one."""
        while True:
            try:
                session = self._idle.pop()
            except IndexError:
                return None
            if monotonic() - session.used_at > self._config.idle_limit.total_seconds():
                self._quit([session])
            elif session.line.is_quiet():
                return session
            else:
                session.line.close()

    def open(self) -> Session:
        """A new session. Raises RefusedError."""
        return open_session(self._config, self._context)

    def give_back(self, session: Session) -> None:
        """Keep `session` for the next mail, unless it has done enough."""
        session.used_at = monotonic()
        if session.message_count >= self._config.max_messages:
            self._quit([session])
            return
        self._idle.append(session)
        if self._is_closed:
            self.close()
        self._close_old(session.used_at)

    def _close_old(self, now: float) -> None:
        # The left end is the longest unused. Another thread may take it between the look and the pop: then a fresher
        # one is closed, which costs a connection and nothing else.
        with suppress(IndexError):
            while now - self._idle[0].used_at > self._config.idle_limit.total_seconds():
                self._quit([self._idle.popleft()])

    def close(self) -> None:
        """End all idle sessions; those on loan end when they are given back."""
        self._is_closed = True
        leaving = []
        with suppress(IndexError):
            while True:
                leaving.append(self._idle.pop())
        self._quit(leaving)

    def _quit(self, sessions: Sequence[Session]) -> None:
        """Say QUIT on all, wait a moment in all for the answers (RFC 5321, 4.1.1.10), and close."""
        deadline = monotonic() + self._config.timeouts.quit.total_seconds()
        for session in sessions:
            with suppress(LineError):
                session.line.write(b"QUIT\r\n", max(0.0, deadline - monotonic()))
        for session in sessions:
            with suppress(LineError):
                session.line.read_answer(max(0.0, deadline - monotonic()))
            session.line.close()
