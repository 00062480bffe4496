"""Webhook endpoints: one HTTP server with a path for each, which can be told to misbehave."""

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from standardwebhooks import Webhook, WebhookVerificationError

from emailsvc.launcher.ports import LOOPBACK

# WEBHOOK_TIMEOUT_SECONDS of the drills.
IN_TIME_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedPost:
    """A received post, whatever its response. `event_id` is the `webhook-id`, the same in every attempt."""

    path: str
    event_id: str
    type: str
    email_id: str
    recipient: str
    # Whether it was answered with 2xx within the poster's time limit; the poster may see it differently.
    is_taken: bool
    is_signed: bool
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Answering:
    """The response of a path: `status` after `seconds`; status 0 closes the connection without a response."""

    status: int = 200
    seconds: float = 0.0


class Server(ThreadingHTTPServer):
    """A thread for each connection; many may arrive at once, and a lost SYN is retried after a second."""

    daemon_threads = True
    request_queue_size = 512


class Receiver:
    """`answer_as(path, …)` sets the response of a path; `heard` grows as posts arrive. A signature is valid if it was
    made with the path's secret, set by `trust`.
    """

    def __init__(self) -> None:
        self._heard: list[ReceivedPost] = []
        self._answers: dict[str, Answering] = {}
        self._secrets: dict[str, Webhook] = {}
        self._server = Server((LOOPBACK, 0), self._build_handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def url(self, path: str) -> str:
        return f"http://{LOOPBACK}:{self._server.server_address[1]}{path}"

    def trust(self, path: str, secret: str) -> None:
        self._secrets[path] = Webhook(secret)

    def answer_as(self, path: str, answering: Answering) -> None:
        self._answers[path] = answering

    def heard(self, path: str) -> Sequence[ReceivedPost]:
        """The posts to a path so far, in order."""
        return [each for each in list(self._heard) if each.path == path]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _take(self, path: str, headers: Mapping[str, str], body: bytes) -> Answering:
        told: Any = json.loads(body)
        answering = self._answers.get(path, Answering())
        self._heard.append(
            ReceivedPost(
                path=path,
                event_id=headers.get("webhook-id", ""),
                type=told["type"],
                email_id=told["data"].get("email_id", ""),
                recipient=told["data"].get("recipient") or "",
                is_taken=answering.status // 100 == 2 and answering.seconds < IN_TIME_SECONDS,
                is_signed=is_signed(self._secrets.get(path), body, headers),
                at=time.monotonic(),
            )
        )
        return answering

    def _build_handler(self) -> type[BaseHTTPRequestHandler]:
        take: Callable[[str, Mapping[str, str], bytes], Answering] = self._take

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                body = self.rfile.read(length)
                if len(body) < length:
                    self.close_connection = True
                    return
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
    """Whether the trusted sender has signed this just now."""
    if key is None:
        return False
    try:
        key.verify(body, dict(headers))
    except WebhookVerificationError:
        return False
    return True
