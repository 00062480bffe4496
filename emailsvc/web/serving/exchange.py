"""One request and its answer: what runs in a thread of the pool. It never waits for the client."""

import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from enum import Enum
from typing import Any, Protocol

from common.listening import BODY_IS_AWAITED, EMPTY_MEANS_LATER
from emailsvc.web.serving.bodies import AwaitedInput, BodyAwaited
from emailsvc.web.serving.heads import AnswerHead, build_environ
from emailsvc.web.serving.outbox import ClientGoneError, Outbox


class Outcome(Enum):
    """Why the thread is free again."""

    AWAITED = "the application wants the body"
    PAUSED = "a stream has nothing to say at the moment"
    BLOCKED = "a stream waits for a slow reader"
    ANSWERED = "the answer is complete"
    SETTLED = "the answer is complete, and the connection waits for the next request already"
    DROPPED = "the connection is of no more use"


class Server(Protocol):
    """What an exchange needs of the worker."""

    cfg: Any
    log: Any
    alive: bool

    def wsgi(self, environ: dict[str, Any], start_response: Any) -> Any: ...
    def count_request(self) -> None: ...
    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None: ...


class Exchange:
    """`begin`, then `go_on` after each pause, in any thread; `abandon` if the client leaves before the end."""

    def __init__(self, server: Server, req: Any, outbox: Outbox, addresses: tuple[Any, Any]) -> None:
        self._server = server
        self._req = req
        self._addresses = addresses
        self.outbox = outbox
        self.environ: dict[str, Any] = {}
        self.can_keep = False
        self._response: Any = None
        self._answer: Any = None
        self._items: Iterator[bytes] = iter(())
        self._started_at = time.monotonic()

    @property
    def is_answered(self) -> bool:
        """Whether the application has nothing more to say, or has said nothing yet."""
        return self._answer is None

    def begin(self, source: Any, *, can_keep: bool) -> Outcome:
        """Call the application. Without `can_keep` the connection ends with the answer, and the answer says so."""
        server = self._server
        try:
            self.environ = build_environ(self._req, self.outbox, self._addresses, server.cfg)
            self._response = AnswerHead(self._req, self.outbox, server.cfg)
            self.environ |= {"wsgi.input": source, "wsgi.multithread": True, EMPTY_MEANS_LATER: True}
            if isinstance(source, AwaitedInput):
                self.environ[BODY_IS_AWAITED] = True
            if not (can_keep and server.alive and server.cfg.keepalive):
                self._response.force_close()
            self._answer = server.wsgi(self.environ, self._response.start_response)
            self._items = iter(self._answer)
        except BodyAwaited:
            return Outcome.AWAITED
        except Exception as error:  # noqa: BLE001  whatever the application raises
            return self._fail(error)
        return self.go_on()

    def go_on(self) -> Outcome:
        """Write what the application has to say now."""
        try:
            outcome = self._write_items()
        except BodyAwaited:
            self._close_answer()
            self.outbox.discard()
            return Outcome.AWAITED
        except Exception as error:  # noqa: BLE001  whatever the application raises
            return self._fail(error)
        if outcome is Outcome.ANSWERED:
            self._close_answer()
            self._server.count_request()
        return outcome

    def _write_items(self) -> Outcome:
        response, outbox = self._response, self.outbox
        is_stream = getattr(self._answer, "streaming", False)
        for item in self._items:
            response.write(item)
            if is_stream and not outbox.flush():
                return Outcome.BLOCKED
            if is_stream and not item:
                return Outcome.PAUSED
        response.close()
        self.can_keep = not response.should_close()
        outbox.flush()
        return Outcome.ANSWERED

    def _fail(self, error: Exception) -> Outcome:
        """The application, or the client's connection, failed."""
        self._close_answer()
        if isinstance(error, ClientGoneError):
            return Outcome.DROPPED
        if not self.outbox.is_untouched:
            self._server.log.exception("Error handling request")
            return Outcome.DROPPED
        self.outbox.discard()
        self._server.handle_error(self._req, self.outbox, self._addresses[0], error)
        self.can_keep = False
        with suppress(ClientGoneError):
            self.outbox.flush()
            return Outcome.ANSWERED
        return Outcome.DROPPED

    def abandon(self) -> None:
        """The client has gone: let the application release what the answer holds."""
        self._close_answer()

    def _close_answer(self) -> None:
        answer, self._answer = self._answer, None
        if answer is None:
            return
        try:
            if hasattr(answer, "close"):
                answer.close()
        except Exception:
            self._server.log.exception("Error closing an answer")
        with suppress(AttributeError):  # the application may have failed before it set a status
            duration = timedelta(seconds=time.monotonic() - self._started_at)
            self._server.log.access(self._response, self._req, self.environ, duration)
