"""Log in to one server on many connections.

Servers lock an account after a number of failed attempts. So one connection at a time finds the method: a round that
tries each offered method once. All later connections use the accepted method. After a rejected round nothing is tried
for `SmtpConfig.login_pause`, the time for which the caller pauses the provider.
"""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from threading import Lock
from time import monotonic

from delivery.concurrency.waiting import run_blocking
from delivery.replies import SmtpReply
from delivery.smtp.auth import (
    ACCEPTED,
    PASSWORD_METHODS,
    TOKEN_METHODS,
    AuthMethod,
    choose_methods,
    try_method,
)
from delivery.smtp.config import SmtpConfig
from delivery.smtp.connection import Connection, ConnectionBrokenError
from delivery.smtp.credentials import Credentials

# The server rejects the form of the command or the mechanism, so that another token is of no use.
REJECTS_FORM = range(500, 505)
REJECTS_CREDENTIALS, CLOSING = 535, 421
# In place of the code of a server that closed the connection.
BROKEN = 500
WAIT_SECONDS = 0.02


class LoginInterruptedError(Exception):
    """The server closed the connection after a rejected method: the round continues on a new connection."""


class Login:
    """The credentials of one server. Thread-safe; `accepted` is the method that the server accepted last."""

    def __init__(self, config: SmtpConfig) -> None:
        self._config = config
        # Stable: the preferred mechanism first.
        self._methods = (
            sorted(TOKEN_METHODS, key=lambda method: method.mechanism != config.token_mechanism)
            if config.tokens
            else PASSWORD_METHODS
        )
        self._turn = Lock()
        self._rejected: dict[AuthMethod, SmtpReply] = {}
        self._has_shared_turn = False
        self._rejection: tuple[SmtpReply, float] | None = None
        self.accepted: AuthMethod | None = None

    async def log_in(self, connection: Connection, offered: str, *, is_loopback: bool) -> SmtpReply:
        """The server's last reply: 235 is success. `offered` are the mechanisms in its reply to EHLO.

        Raises NoMethodError, TokenError, ConnectionBrokenError, and LoginInterruptedError.
        """
        is_safe = connection.is_tls or (is_loopback and self._config.tokens is None)
        methods = choose_methods(offered, self._methods, is_secret_safe=is_safe)
        attempts = _Attempts(self._config, connection)
        while True:
            if (method := self.accepted) is not None and method in methods:
                answer = await attempts.run(method)
                if not _is_rejection(answer):
                    return answer
                if self.accepted is method:
                    self.accepted = None
                    self._rejected[method] = answer
            if not self._turn.acquire(blocking=False):
                await attempts.wait()
                continue
            try:
                if self.accepted is None or self.accepted not in methods:
                    return await self._run_round(attempts, methods)
            finally:
                self._turn.release()

    async def _run_round(self, attempts: "_Attempts", methods: Sequence[AuthMethod]) -> SmtpReply:
        """Try each method once, unless this process or another one was rejected a short time ago."""
        if kept := self._find_rejection() or (await self._await_shared_turn(attempts)):
            return kept
        for method in methods:
            if method not in self._rejected and (answer := await self._try_next(attempts, method)):
                return answer
        return await self._keep_rejection()

    async def _try_next(self, attempts: "_Attempts", method: AuthMethod) -> SmtpReply | None:
        """None after a rejection, so that the next method is tried; else the answer that ends the round."""
        has_rejected = attempts.has_rejected
        try:
            answer = await attempts.run(method)
        except ConnectionBrokenError as error:
            if not self._rejected:
                await self._end_turn()
                raise
            if not has_rejected:
                # The method itself broke a fresh connection. Each new connection tries one method at least.
                self._rejected[method] = SmtpReply(BROKEN, (str(error).encode(),))
            raise LoginInterruptedError from None
        if answer.code == CLOSING and has_rejected:
            raise LoginInterruptedError
        if _is_rejection(answer):
            self._rejected[method] = answer
            return None
        if answer.code == ACCEPTED:
            self.accepted, self._rejected, self._rejection = method, {}, None
        await self._end_turn()
        return answer

    def _find_rejection(self) -> SmtpReply | None:
        if self._rejection is None or monotonic() >= self._rejection[1]:
            return None
        return self._rejection[0]

    async def _await_shared_turn(self, attempts: "_Attempts") -> SmtpReply | None:
        """The rejection of another process; None when this process may try."""
        turns = self._config.login_turns
        if turns is None or self._has_shared_turn:
            return None
        seconds = self._config.timeouts.auth.total_seconds()
        while (told := await run_blocking(partial(turns.take, seconds))) is not None:
            if told:
                return SmtpReply(REJECTS_CREDENTIALS, (told.encode(),))
            await attempts.wait()
        self._has_shared_turn = True
        return None

    async def _end_turn(self, rejection: str = "") -> None:
        turns, has_turn, self._has_shared_turn = self._config.login_turns, self._has_shared_turn, False
        if turns is None or not has_turn:
            return
        if rejection:
            await run_blocking(partial(turns.keep_rejection, rejection, self._config.login_pause.total_seconds()))
        else:
            await run_blocking(turns.give_back)

    async def _keep_rejection(self) -> SmtpReply:
        answer = describe_rejection(self._rejected)
        self._rejected = {}
        self._rejection = (answer, monotonic() + self._config.login_pause.total_seconds())
        await self._end_turn(b" ".join(answer.lines).decode("utf-8", "replace") or str(answer.code))
        return answer


class _Attempts:
    """The attempts on one connection, within `timeouts.auth` in all."""

    def __init__(self, config: SmtpConfig, connection: Connection) -> None:
        self._config = config
        self._connection = connection
        self._deadline = monotonic() + config.timeouts.auth.total_seconds()
        self._has_renewed = False
        self.has_rejected = False

    def _find_seconds(self) -> float:
        return max(0.0, self._deadline - monotonic())

    async def wait(self) -> None:
        """Wait a moment for another connection's attempts. Raises ConnectionBrokenError when the time is up."""
        if not self._find_seconds():
            raise ConnectionBrokenError("another connection has not finished its log-in")
        await asyncio.sleep(WAIT_SECONDS)

    async def run(self, method: AuthMethod) -> SmtpReply:
        """One attempt. A rejected token is renewed once for each connection."""
        answer = await self._run(method)
        self.has_rejected |= _is_rejection(answer)
        return answer

    async def _run(self, method: AuthMethod) -> SmtpReply:
        tokens = self._config.tokens
        if tokens is None:
            return await self._try(method, self._config.password)
        token = await run_blocking(tokens.find_token)
        answer = await self._try(method, token)
        if self._has_renewed or not _is_rejection(answer) or answer.code in REJECTS_FORM:
            return answer
        self._has_renewed = True
        return await self._try(method, await run_blocking(partial(tokens.find_token, token)))

    async def _try(self, method: AuthMethod, secret: str) -> SmtpReply:
        config = self._config
        credentials = Credentials(username=config.username, secret=secret, host=config.host, port=config.port)
        return await try_method(self._connection, method, credentials, self._find_seconds)


def _is_rejection(answer: SmtpReply) -> bool:
    return answer.code >= 500


def describe_rejection(rejected: Mapping[AuthMethod, SmtpReply]) -> SmtpReply:
    """The most telling of the answers, with the methods that were tried. A 535 is about the credentials."""
    answers = list(rejected.values())
    found = next((answer for answer in answers if answer.code == REJECTS_CREDENTIALS), answers[-1])
    if len(rejected) < 2:
        return found
    tried = f"(tried {', '.join(str(method) for method in rejected)})"
    return SmtpReply(found.code, (*found.lines, tried.encode()))
