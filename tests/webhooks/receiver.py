"""A webhook receiver on loopback: answers by script, and records the posts."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Request:
    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float = field(default_factory=time.monotonic)


@dataclass
class Answer:
    """`delay` comes before the status; `drip` sends the body one byte at a time, so slowly."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b"ok"
    delay: float = 0.0
    drip: float = 0.0


class Receiver(ThreadingHTTPServer):
    """`answers` are given in order, the last one for ever."""

    daemon_threads = True
    request_queue_size = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = [Answer()]
        self.requests: list[Request] = []
        self.connection_count = 0
        self.lock = threading.Lock()
        self.is_open = True

    @property
    def port(self) -> int:
        return self.server_address[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def verify_request(self, request: Any, client_address: Any) -> bool:
        self.connection_count += 1
        return True

    def next_answer(self) -> Answer:
        with self.lock:
            return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with self.server.lock:
            self.server.requests.append(Request(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        answer = self.server.next_answer()
        self.wait(answer.delay)
        try:
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.send_body(answer)
        except OSError:
            self.close_connection = True

    def send_body(self, answer: Answer) -> None:
        step = 1 if answer.drip else max(len(answer.body), 1)
        for start in range(0, len(answer.body), step):
            self.wait(answer.drip)
            self.wfile.write(answer.body[start : start + step])
            self.wfile.flush()

    def wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while self.server.is_open and time.monotonic() < until:
            time.sleep(0.01)

    def do_GET(self) -> None:
        """Who follows a redirect comes with GET."""
        self.send_error(405)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def run_receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.is_open = False
            server.shutdown()
            thread.join()
