"""A stand-in ESP with Mailgun's API: it notes each mail on disk before it answers, and can be told to fail."""

import hmac
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

from drills.stand_ins.conversation import MESSAGE_ID
from drills.stand_ins.sink import SunkMail
from drills.stand_ins.webhook_receiver import Server
from emailsvc.launcher.ports import LOOPBACK


@dataclass(frozen=True, slots=True, kw_only=True)
class EspAnswer:
    """The response to a call: accepted or not (`is_taken`), after `seconds`, with `status` and `body`, if given."""

    is_taken: bool = True
    status: int = 200
    body: bytes = b""
    seconds: float = 0.0
    headers: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EspMail:
    """An accepted mail: the ESP's name for it, and our ids in it."""

    address: str
    remote_id: str
    variables: Mapping[str, str]


# The address, and the number of earlier calls for it.
Rule = Callable[[str, int], EspAnswer]
# The signed part of an event.
SIGNING_KEY = "drills-signing-key"


class EspStandIn:
    """`taken` grows as mail arrives, as in a sink; `mails` has details of each, the first by its address."""

    def __init__(self, path: Path, rule: Rule) -> None:
        self.rule = rule
        self.mails: dict[str, EspMail] = {}
        self._taken: list[SunkMail] = []
        self._seen = Counter[str]()
        self._lock = threading.Lock()
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._server = Server((LOOPBACK, 0), self._build_handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def api_url(self) -> str:
        return f"http://{LOOPBACK}:{self._server.server_address[1]}/"

    @property
    def taken(self) -> list[SunkMail]:
        """The mail on disk so far, in order."""
        return list(self._taken)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        os.close(self._file)

    def _hear(self, content_type: str, body: bytes) -> EspAnswer:
        """Accept or reject a call, as the rule demands; returns the response."""
        fields = read_form(content_type, body)
        address = fields["to"].decode()
        with self._lock:
            told = self.rule(address, self._seen[address])
            self._seen[address] += 1
            if told.is_taken:
                remote_id = f"<{uuid4()}@esp.test>"
                self._note(address, body)
                variables = {key[2:]: value.decode() for key, value in fields.items() if key.startswith("v:")}
                self.mails.setdefault(address, EspMail(address=address, remote_id=remote_id, variables=variables))
        if not told.is_taken or told.body:
            return told
        usual = json.dumps({"id": remote_id, "message": "Queued. Thank you."}).encode()
        return EspAnswer(status=told.status, body=usual, seconds=told.seconds)

    def _note(self, address: str, content: bytes) -> None:
        found = MESSAGE_ID.search(content)
        message_id = found[1].decode() if found else ""
        os.write(self._file, f"{message_id} {address}\n".encode())
        os.fsync(self._file)
        self._taken.append(SunkMail(message_id, address, time.monotonic()))

    def _build_handler(self) -> type[BaseHTTPRequestHandler]:
        hear = self._hear

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                told = hear(self.headers["Content-Type"], body)
                time.sleep(told.seconds)
                self.send_response(told.status)
                for name, value in (told.headers or {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(told.body)))
                self.end_headers()
                self.wfile.write(told.body)

            def log_message(self, *_: object) -> None:
                """Says nothing."""

            def handle(self) -> None:
                try:
                    super().handle()
                except ConnectionError:
                    self.close_connection = True

        return Handler


def read_form(content_type: str, body: bytes) -> Mapping[str, bytes]:
    """The fields of multipart/form-data; the last one of several with the same name."""
    whole = message_from_bytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    parts: Any = whole.get_payload()
    # The mail is a part that has parts of its own.
    plain = [part for part in parts if not part.is_multipart()]
    return {part.get_param("name", header="content-disposition"): part.get_payload(decode=True) for part in plain}


def build_event(kind: str, mail: EspMail, *, key: str = SIGNING_KEY) -> dict[str, Any]:
    """Mailgun's post of the event `kind` (`accepted`, `delivered`, `failed`), signed with `key`."""
    sent_at, token = str(int(time.time())), uuid4().hex
    return {
        "signature": {
            "timestamp": sent_at,
            "token": token,
            "signature": hmac.digest(key.encode(), f"{sent_at}{token}".encode(), "sha256").hex(),
        },
        "event-data": {
            "event": kind,
            "id": f"{kind}-{mail.remote_id}",
            "timestamp": time.time(),
            "recipient": mail.address,
            "message": {"headers": {"message-id": mail.remote_id.strip("<>")}},
            "user-variables": dict(mail.variables),
            "delivery-status": {"code": 550, "message": "5.1.1 no such user"} if kind == "failed" else {"code": 250},
            **({"severity": "permanent", "reason": "bounce"} if kind == "failed" else {}),
        },
    }
