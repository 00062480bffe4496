"""gunicorn's threaded worker, hardened against slow clients: threads serve requests, not connections.

gunicorn's own worker gives each new connection a thread, which waits seconds for the first byte and without limit for
the rest: a few dozen idle or slow clients block the service. This worker collects requests in the event loop; only
requests larger than 64 KiB finish in a thread, with a time limit for each read.
"""

import json
import re
import selectors
import socket
import time
from contextlib import suppress
from functools import partial
from typing import Any

from gunicorn.http.errors import LimitRequestLine
from gunicorn.workers.gthread import TConn, ThreadWorker

from common.errors import ApiError, UriTooLongError, as_problem
from common.ids import new_id

# The largest request that is collected whole; also the largest head, which gunicorn limits further.
GATHER_BYTES = 64 * 1024
# Time limit until a request is complete, or its first 64 KiB are.
GATHER_SECONDS = 20.0
READ_SECONDS = 10.0
WRITE_SECONDS = 60.0
CONTENT_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,12})[ \t]*(?:\r\n|$)")


class PatientSocket(socket.socket):
    """A client's socket with a time limit on blocking calls: a client that is silent for too long counts as gone."""

    def setblocking(self, flag: bool) -> None:
        self.settimeout(READ_SECONDS if flag else 0.0)

    def recv(self, *args: Any) -> bytes:
        try:
            return super().recv(*args)
        except TimeoutError:
            return b""

    def sendall(self, *args: Any) -> None:
        self.settimeout(WRITE_SECONDS)
        super().sendall(*args)
        self.setblocking(True)


class PatientWorker(ThreadWorker):  # type: ignore[misc]
    """All methods run in the worker's main thread."""

    def enqueue_req(self, conn: TConn) -> None:
        """Called for a new connection, and for one whose next request was read together with the last."""
        if conn.initialized:
            super().enqueue_req(conn)
        else:
            conn.sock = PatientSocket(fileno=conn.sock.detach())
            self.gather(conn)

    def on_client_socket_readable(self, conn: TConn, client: socket.socket) -> None:
        """A kept-alive connection becomes readable again."""
        self.poller.unregister(client)
        self.keepalived_conns.remove(conn)
        self.gather(conn)

    def on_pending_socket_readable(self, conn: TConn, client: socket.socket) -> None:
        """More bytes of a request have arrived."""
        if self.is_settled(conn):
            self.poller.unregister(client)
            self.pending_conns.remove(conn)

    def gather(self, conn: TConn) -> None:
        """Give the connection to a thread once its request is complete."""
        conn.sock.setblocking(False)
        conn.heard = bytearray()
        if not self.is_settled(conn):
            conn.timeout = time.monotonic() + GATHER_SECONDS
            self.pending_conns.append(conn)
            callback = partial(self.on_pending_socket_readable, conn)
            self.poller.register(conn.sock, selectors.EVENT_READ, callback)

    def is_settled(self, conn: TConn) -> bool:
        """Read the available bytes; true once a thread has the connection or it has ended."""
        try:
            data = conn.sock.recv(GATHER_BYTES)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        conn.heard += data
        if data and not is_whole(conn.heard):
            return False
        if data:
            conn.init()
            conn.parser.unreader.unread(bytes(conn.heard))
            super().enqueue_req(conn)
        else:
            self.nr_conns -= 1
            conn.sock.close()
        return True

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: Exception) -> None:
        """gunicorn's error responses are HTML pages; API callers can cause this one, so it is a problem document."""
        if isinstance(exc, LimitRequestLine):
            with suppress(OSError):
                client.sendall(build_answer(UriTooLongError()))
        else:
            super().handle_error(req, client, addr, exc)

    def _cap_keepalive(self, deadline: float) -> None:
        """The worker stops: clients with an incomplete request are dropped."""
        super()._cap_keepalive(deadline)
        for conn in self.pending_conns:
            conn.timeout = min(conn.timeout, deadline)


def build_answer(error: ApiError) -> bytes:
    """The error as a complete HTTP response, after which the connection is closed."""
    request_id = str(new_id())
    body = json.dumps(as_problem(error, request_id)).encode()
    head = (
        f"HTTP/1.1 {error.status.value} {error.status.phrase}\r\nConnection: close\r\n"
        f"Content-Type: application/problem+json\r\nContent-Length: {len(body)}\r\nX-Request-Id: {request_id}\r\n\r\n"
    )
    return head.encode() + body


def is_whole(heard: bytearray) -> bool:
    """Whether a request can be passed to a thread: it is complete, 64 KiB are collected, or its length is unknown."""
    if len(heard) >= GATHER_BYTES:
        return True
    end = heard.find(b"\r\n\r\n")
    if end < 0:
        return False
    head = bytes(heard[:end]).lower()
    length = CONTENT_LENGTH.search(head)
    # A client that expects a 100 response sends nothing until a thread has sent it.
    return length is None or b"\r\nexpect:" in head or len(heard) >= end + 4 + int(length[1])
