"""Webhook endpoints of our own: one HTTP server, a path for each, which can be told to misbehave."""

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from standardwebhooks import Webhook, WebhookVerificationError

from emailsvc.sockets import LOOPBACK


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A post that came, whatever it was answered. `event_id` is the `webhook-id`, the same for every try."""

    path: str
    event_id: str
    type: str
    email_id: str
    is_signed: bool
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Answering:
    """How a path answers: after `seconds`, with `status`; status 0 closes the line without a word."""

    status: int = 200
    seconds: float = 0.0


class Receiver:
    """`answer_as(path, …)` tells how a path answers from now on; `heard` grows as posts come. A signature counts when
    the path's secret, set by `trust`, has made it.
    """

    def __init__(self) -> None:
        self._heard: list[Heard] = []
        self._answers: dict[str, Answering] = {}
        self._secrets: dict[str, Webhook] = {}
        self._server = ThreadingHTTPServer((LOOPBACK, 0), self._build_handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def url(self, path: str) -> str:
        return f"http://{LOOPBACK}:{self._server.server_address[1]}{path}"

    def trust(self, path: str, secret: str) -> None:
        self._secrets[path] = Webhook(secret)

    def answer_as(self, path: str, *, status: int = 200, seconds: float = 0.0) -> None:
        self._answers[path] = Answering(status=status, seconds=seconds)

    def heard(self, path: str) -> Sequence[Heard]:
        """What came to a path so far, in order."""
        return [each for each in list(self._heard) if each.path == path]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _take(self, path: str, headers: Mapping[str, str], body: bytes) -> Answering:
        told: Any = json.loads(body)
        self._heard.append(
            Heard(
                path=path,
                event_id=headers.get("webhook-id", ""),
                type=told["type"],
                email_id=told["data"].get("email_id", ""),
                is_signed=is_signed(self._secrets.get(path), body, headers),
                at=time.monotonic(),
            )
        )
        return self._answers.get(path, Answering())

    def _build_handler(self) -> type[BaseHTTPRequestHandler]:
        take: Callable[[str, Mapping[str, str], bytes], Answering] = self._take

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                answering = take(self.path, headers, body)
                time.sleep(answering.seconds)
                if not answering.status:
                    self.close_connection = True
                    return
                self.send_response(answering.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Says nothing."""

            def handle(self) -> None:
                try:
                    super().handle()
                except ConnectionError:
                    self.close_connection = True

        return Handler


def is_signed(key: Webhook | None, body: bytes, headers: Mapping[str, str]) -> bool:
    """Whether the one that we trust has written this just now."""
    if key is None:
        return False
    try:
        key.verify(body, dict(headers))
    except WebhookVerificationError:
        return False
    return True
