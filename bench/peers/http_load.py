"""A load of HTTP requests from one process: many kept connections in one loop, with little CPU of its own.

On a machine of two processors a client that costs a millisecond a request measures itself.
"""

import re
import selectors
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field

LENGTH = re.compile(rb"content-length:\s*(\d+)", re.IGNORECASE)
END = b"\r\n\r\n"


class LoadError(Exception):
    """An answer other than 2xx, or a connection that ended."""


@dataclass(kw_only=True)
class Line:
    """One kept connection: what it still has to send, and the answer so far."""

    socket: socket.socket
    sent_at: float = 0.0
    pending: bytes = b""
    answer: bytearray = field(default_factory=bytearray)


@dataclass(frozen=True, kw_only=True)
class HttpLoad:
    """`clients` connections to a server on loopback, each with one request at a time, as SDKs send them."""

    port: int
    clients: int

    def run(self, requests: Iterator[bytes], *, seconds: float | None = None, count: int | None = None) -> list[float]:
        """Send requests for `seconds`, or `count` of them; returns the seconds that each took."""
        deadline = None if seconds is None else time.perf_counter() + seconds
        left = count
        took: list[float] = []
        with ExitStack() as stack:
            selector = stack.enter_context(selectors.DefaultSelector())
            open_lines = 0
            for _ in range(min(self.clients, count or self.clients)):
                line = Line(socket=stack.enter_context(socket.create_connection(("127.0.0.1", self.port), timeout=60)))
                line.socket.setblocking(False)
                selector.register(line.socket, selectors.EVENT_READ, line)
                begin(line, next(requests), selector)
                open_lines += 1
                left = None if left is None else left - 1
            while open_lines:
                for key, events in selector.select(60):
                    line = key.data
                    if events & selectors.EVENT_WRITE:
                        push(line, selector)
                    if not events & selectors.EVENT_READ or not is_answered(line):
                        continue
                    now = time.perf_counter()
                    took.append(now - line.sent_at)
                    if (deadline is not None and now >= deadline) or left == 0:
                        selector.unregister(line.socket)
                        line.socket.close()
                        open_lines -= 1
                        continue
                    begin(line, next(requests), selector)
                    left = None if left is None else left - 1
        return took


def begin(line: Line, request: bytes, selector: selectors.BaseSelector) -> None:
    line.sent_at, line.pending = time.perf_counter(), request
    line.answer.clear()
    push(line, selector)


def push(line: Line, selector: selectors.BaseSelector) -> None:
    """Send as much as the socket takes, and ask for the rest's turn."""
    with suppress(BlockingIOError):
        line.pending = line.pending[line.socket.send(line.pending) :]
    wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if line.pending else 0)
    if selector.get_key(line.socket).events != wanted:
        selector.modify(line.socket, wanted, line)


def is_answered(line: Line) -> bool:
    """Read what is there; whether the answer is whole. Raises LoadError for a refusal or an end of the connection."""
    try:
        chunk = line.socket.recv(262_144)
    except BlockingIOError:
        return False
    if not chunk:
        raise LoadError("the server closed a kept connection")
    line.answer += chunk
    head_end = line.answer.find(END)
    if head_end < 0:
        return False
    head = bytes(line.answer[:head_end])
    length = LENGTH.search(head)
    if not head.startswith(b"HTTP/1.1 2"):
        raise LoadError(bytes(line.answer[:500]).decode(errors="replace"))
    if length is None:
        raise LoadError("the answer has no Content-Length")
    return len(line.answer) >= head_end + len(END) + int(length[1])


def build_request(path: str, body: bytes, token: str = "") -> bytes:
    """A POST of JSON."""
    authorization = f"Authorization: Bearer {token}\r\n" if token else ""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{authorization}"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
