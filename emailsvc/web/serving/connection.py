"""One client's connection, driven by the event loop: it reads requests and writes answers as the client is able to."""

import math
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from gunicorn.http.body import ChunkedReader
from gunicorn.http.errors import LimitRequestHeaders, LimitRequestLine, NoMoreData
from gunicorn.http.unreader import IterUnreader

from common.errors import ApiError, UriTooLongError
from emailsvc.web.serving.bodies import AwaitedInput
from emailsvc.web.serving.connection_state import NOTHING, READ, WRITE, State
from emailsvc.web.serving.exchange import Exchange, Outcome
from emailsvc.web.serving.heads import RequestHead
from emailsvc.web.serving.limits import GATHER_BYTES, KIB, MEMORY_BYTES, PAUSE_SECONDS
from emailsvc.web.serving.loop import Loop
from emailsvc.web.serving.outbox import ClientGoneError, Outbox
from emailsvc.web.serving.reception import Reception
from emailsvc.web.serving.refusals import RequestTimeoutError, TooManyBytesError, build_answer
from emailsvc.web.serving.work_queue import LargeWork

HEAD_PIECE = 16 * KIB
BODY_PIECE = 256 * KIB
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class ClientConnection:
    """All methods run in the event loop's thread but for `settle`. `deadline` is when `expire` is called.

    `peer` is None for a connection that is refused, because its peer has too many.
    """

    def __init__(self, loop: Loop, sock: socket.socket, peer: str | None, addresses: tuple[Any, Any]) -> None:
        self.loop = loop
        self.sock = sock
        self.peer = peer
        self.events = NOTHING
        self.state = State.HEAD
        self.deadline = time.monotonic() + loop.limits.head_seconds
        self._addresses = addresses
        self._heard = bytearray()
        self._number = 0
        self._req: Any = None
        self._reception = Reception(0, loop.limits, loop.budget)
        self._exchange: Exchange | None = None
        self._outbox = Outbox(sock, loop.budget, peer or "")
        self._work: LargeWork | None = None
        self._expects_continue = False

    # --- events

    def handle(self) -> None:
        """The socket is readable or writable."""
        if self.state is State.SENDING:
            self._send()
        elif self.state is State.QUEUED:
            # The next request, or the client's end, waits until this one is answered.
            self.loop.watch(self, NOTHING)
            self._watch_settled()  # a thread may have seen that the socket was still watched
        else:
            self._receive()

    def _receive(self) -> None:
        try:
            data = self.sock.recv(HEAD_PIECE if self.state is State.HEAD else BODY_PIECE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if self.state is State.DRAINING:
            if not data:
                self.close()
        elif self.state is State.BODY:
            self._take_body(data)
        elif not data:
            self.close()
        elif self.state is State.PAUSED:
            self._heard += data
            if len(self._heard) > GATHER_BYTES:
                self.close()
        else:
            if not self._heard:
                self.deadline = time.monotonic() + self.loop.limits.head_seconds
            self._heard += data
            self._read_head()

    def expire(self) -> None:
        """The deadline has passed."""
        if self.state is State.BODY or (self.state is State.HEAD and self._heard):
            self.refuse(RequestTimeoutError())
        else:
            self.close()

    def resume(self) -> None:
        """The pause of a stream is over."""
        if self.state is State.PAUSED and self._exchange:
            self._give_to_thread(self._exchange.go_on)

    # --- the request

    def _read_head(self) -> None:
        heard = self._heard
        if heard.startswith(b"\r\n"):  # RFC 9112, 2.2
            del heard[:2]
        end = heard.find(b"\r\n\r\n")
        # A line that ends without CR never ends the head; the parser says so.
        if end < 0 and len(heard) <= GATHER_BYTES and heard.count(b"\n") == heard.count(b"\r\n"):
            return
        head = bytes(heard if end < 0 else heard[: end + 4])
        del heard[: len(head)]
        self._number += 1
        try:
            self._req = RequestHead(self.loop.cfg, IterUnreader([head]), self._addresses[0], self._number)
        except NoMoreData:
            self._refuse_head(LimitRequestHeaders("the head of the request is too large"))
        except Exception as error:  # noqa: BLE001  the parser has one for each mistake
            self._refuse_head(error)
        else:
            self._begin_request()

    def _refuse_head(self, error: Exception) -> None:
        """gunicorn's answers are HTML pages; API callers can cause this one, so it is a problem document."""
        if isinstance(error, LimitRequestLine):
            self.refuse(UriTooLongError())
        else:
            self.loop.handle_error(None, self._outbox, self._addresses[0], error)
            self._end_with(self._outbox)

    def _begin_request(self) -> None:
        reader = self._req.body.reader
        length = None if isinstance(reader, ChunkedReader) else int(reader.length)
        self._reception = Reception(length, self.loop.limits, self.loop.budget)
        # gunicorn would send the interim answer from the application's thread.
        self._expects_continue, self._req._expected_100_continue = self._req._expected_100_continue, False
        if length == 0:
            self._finish_body()
        elif self._reception.is_large:
            self._ask()
        else:
            self._read_body()

    def _ask(self) -> None:
        """Let the application check all it can before the body is read."""
        exchange = self._exchange = Exchange(self.loop, self._req, self._outbox, self._addresses)
        self._give_to_thread(partial(exchange.begin, AwaitedInput(), can_keep=False))

    def _read_body(self) -> None:
        self.state = State.BODY
        self._reception.start()
        if self._expects_continue:
            self._expects_continue = False
            with suppress(OSError):
                self.sock.send(CONTINUE)
        data = bytes(self._heard)
        self._heard.clear()
        self.loop.watch(self, READ)
        self.deadline = self._reception.deadline
        if data:
            self._take_body(data)

    def _take_body(self, data: bytes) -> None:
        reception, body = self._reception, self._reception.body
        try:
            rest = body.feed(data)
        except OSError:  # the disk of the temporary files is full
            self.loop.log.exception("A request's body could not be kept")
            self.refuse(TooManyBytesError())
            return
        if not data:
            body.is_broken = True
        if body.is_done or body.is_broken or reception.is_excessive:
            self._heard += rest
            self._finish_body()
        elif reception.is_large and not reception.is_admitted:
            self._ask()
        elif not reception.charge():
            self.refuse(TooManyBytesError())
        else:
            self.deadline = reception.deadline

    def _finish_body(self) -> None:
        """All of the request is here, or all that will be read of it."""
        body = self._reception.body
        exchange = self._exchange = Exchange(self.loop, self._req, self._outbox, self._addresses)
        job = partial(exchange.begin, body.open(), can_keep=body.is_done and not body.is_broken)
        if body.size <= MEMORY_BYTES:
            self._give_to_thread(job)
            return
        self._wait_for_thread()
        start = partial(self.loop.run_job, self, job)
        self._work = LargeWork(caller=self._reception.caller, size=body.size, start=start)
        self.loop.work.add(self._work)

    def _give_to_thread(self, job: Callable[[], Outcome]) -> None:
        self._wait_for_thread()
        self.loop.run_job(self, job)

    def _wait_for_thread(self) -> None:
        self.state = State.QUEUED
        self.deadline = math.inf

    # --- the answer

    def settle(self) -> bool:
        """Runs in the thread that has answered: wait for the next request, which may begin at once, or return False."""
        exchange = self._exchange
        if exchange is None or not exchange.can_keep or self._outbox.waiting or self._heard or self._work:
            return False
        self._await_next()
        return True

    def _watch_settled(self) -> None:
        if self.state is State.HEAD:  # otherwise the loop has the next request
            self.loop.watch(self, READ)

    def take_back(self, outcome: Outcome) -> None:
        """A thread is done with this connection for now."""
        if outcome is Outcome.SETTLED:
            self._watch_settled()
            return
        exchange = self._exchange
        assert exchange is not None
        if outcome is not Outcome.AWAITED:
            self._finish_work()
        match outcome:
            case Outcome.AWAITED:
                if refusal := self._reception.admit(exchange.environ):
                    self.refuse(refusal)
                else:
                    self._read_body()
            case Outcome.PAUSED:
                self.state = State.PAUSED
                self.loop.watch(self, READ)
                self.loop.wake_at(time.monotonic() + PAUSE_SECONDS, self)
            case Outcome.BLOCKED:
                self._wait_for_reader()
            case Outcome.ANSWERED:
                if self._outbox.waiting:
                    self._wait_for_reader()
                else:
                    self._finish_answer()
            case Outcome.DROPPED:
                self.close()

    def _wait_for_reader(self) -> None:
        self.state = State.SENDING
        self.deadline = time.monotonic() + self.loop.limits.time_for(self._outbox.waiting)
        self.loop.watch(self, WRITE)

    def _send(self) -> None:
        try:
            is_sent = self._outbox.flush()
        except ClientGoneError:
            self.close()
            return
        if not is_sent:
            return
        exchange = self._exchange
        if exchange and not exchange.is_answered:
            self._give_to_thread(exchange.go_on)
        else:
            self._finish_answer()

    def _finish_answer(self) -> None:
        if self._exchange is None or not self._exchange.can_keep:
            self._exchange = None
            self._drain()
            return
        self._await_next()
        self.loop.watch(self, READ)
        if self._heard:
            self.deadline = time.monotonic() + self.loop.limits.head_seconds
            self._read_head()

    def _await_next(self) -> None:
        self._exchange = None
        self._release()
        self.deadline = time.monotonic() + self.loop.cfg.keepalive
        # At last: the loop acts on it at once.
        self.state = State.HEAD

    def refuse(self, error: ApiError) -> None:
        """Answer instead of the application, and close."""
        self._outbox.discard()
        self._outbox.sendall(build_answer(error))
        self._end_with(self._outbox)

    def _end_with(self, outbox: Outbox) -> None:
        self._exchange = None
        try:
            is_sent = outbox.flush()
        except ClientGoneError:
            self.close()
            return
        if is_sent:
            self._drain()
        else:
            self._wait_for_reader()

    def _drain(self) -> None:
        """Half-close. A client that is still sending reads the answer first if its bytes are taken for a moment."""
        self._release()
        self._heard.clear()
        self.state = State.DRAINING
        self.deadline = time.monotonic() + self.loop.limits.drain_seconds
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.close()
            return
        self.loop.watch(self, READ)

    def stop(self, until: float) -> None:
        """The worker stops: an idle client has a moment left, a stream none."""
        if self.state is State.PAUSED:
            self.close()
        elif self.state is State.HEAD:
            self.deadline = min(self.deadline, until)

    def close(self) -> None:
        if self.state is State.CLOSED:
            return
        self.state = State.CLOSED
        exchange, self._exchange = self._exchange, None
        if exchange is not None and not exchange.is_answered:
            self.loop.run_job(self, exchange.abandon)
        self._release()
        self._outbox.close()
        self.loop.watch(self, NOTHING)
        self.loop.forget(self)
        self.sock.close()

    def _finish_work(self) -> None:
        if self._work is not None:
            work, self._work = self._work, None
            self.loop.work.finish(work)

    def _release(self) -> None:
        """Give back what the request has taken."""
        self._reception.release()
        if not self._outbox.waiting:
            self._outbox.close()
