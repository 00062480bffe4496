"""Client applications: HTTP clients of the real API, sequential or at a steady rate."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from itertools import count
from typing import Any, Self
from uuid import UUID

from drills.harness.evidence import Accepted
from emailsvc.launcher.ports import LOOPBACK

TIMEOUT_SECONDS = 30.0
# The connection closed during a request: any server may close a kept-alive connection.
REPEATS = 5
REPEAT_SECONDS = 0.05


@dataclass(frozen=True, kw_only=True)
class ApiResponse:
    """The API's response; `status` 0 means a broken connection."""

    status: int
    body: Any
    seconds: float


class Client:
    """One application with one kept-alive connection."""

    def __init__(self, port: int, key: str) -> None:
        self._port = port
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._line: HTTPConnection | None = None

    def post(self, path: str, body: object = None, **headers: str) -> ApiResponse:
        """POST below /api/v1. Never raises: a broken connection is a result too."""
        return self._ask("POST", path, json.dumps(body) if body is not None else "", headers)

    def get(self, path: str) -> ApiResponse:
        """GET below /api/v1, like `post`."""
        return self._ask("GET", path, None, {})

    def _ask(self, verb: str, path: str, body: str | None, headers: Mapping[str, str]) -> ApiResponse:
        begun_at = time.monotonic()
        try:
            if self._line is None:
                self._line = HTTPConnection(LOOPBACK, self._port, timeout=TIMEOUT_SECONDS)
            given = {name.replace("_", "-"): value for name, value in headers.items()}
            self._line.request(verb, f"/api/v1{path}", body, self._headers | given)
            response = self._line.getresponse()
            text = response.read()
            status, answer = response.status, json.loads(text) if text else None
        except (OSError, HTTPException, ValueError) as error:
            self.close()
            status, answer = 0, {"detail": f"{type(error).__name__}: {error}"}
        return ApiResponse(status=status, body=answer, seconds=time.monotonic() - begun_at)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None


def build_email(address: str, **values: object) -> dict[str, object]:
    """A small email in the API's format."""
    usual = {"from_": "Shop <shop@drill.test>", "to": [address], "subject": "Your order", "text": "It is on its way.\n"}
    return {**usual, **values}


def read_accepted(answer: Mapping[str, Any]) -> list[Accepted]:
    """The recipients of one email that was accepted with 202."""
    return [Accepted(UUID(answer["id"]), row["address"]) for row in answer["recipients"]]


class Load:
    """Emails at `rate` per second from several clients, until stopped: `with Load(…) as load: …`.

    With `is_persistent` each has an idempotency key and is posted again if the connection breaks (`repeat_count`).
    """

    def __init__(
        self,
        clients: list[Client],
        rate: float,
        build: Callable[[int], dict[str, object]],
        *,
        is_persistent: bool = False,
    ) -> None:
        self.accepted: list[Accepted] = []
        # The time of the 202 for each address (monotonic seconds).
        self.accepted_at: dict[str, float] = {}
        self.seconds: list[float] = []
        self.refused: Counter[int] = Counter()
        self.repeat_count = 0
        self._is_persistent = is_persistent
        self._rate = rate
        self._build = build
        self._numbers = count()
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(client,), daemon=True) for client in clients]

    def __enter__(self) -> Self:
        self._begun_at = time.monotonic()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def _run(self, client: Client) -> None:
        for number in self._numbers:
            if self._is_over.wait(max(0.0, self._begun_at + number / self._rate - time.monotonic())):
                break
            reply = self._post(client, number)
            self.seconds.append(reply.seconds)
            if reply.status == 202:
                rows = read_accepted(reply.body)
                self.accepted += rows
                self.accepted_at |= {row.address: time.monotonic() for row in rows}
            else:
                self.refused[reply.status] += 1
        client.close()

    def _post(self, client: Client, number: int) -> ApiResponse:
        """Post one email. A persistent application repeats it with the same key if it got no response."""
        if not self._is_persistent:
            return client.post("/emails", self._build(number))
        key = f"load-{number}"
        for _ in range(REPEATS):
            reply = client.post("/emails", self._build(number), Idempotency_Key=key)
            if reply.status:
                return reply
            self.repeat_count += 1
            time.sleep(REPEAT_SECONDS)
        return reply

    @property
    def p99_ms(self) -> float:
        """The 99th percentile of the clients' waiting time, in milliseconds."""
        return percentile(self.seconds, 0.99) * 1000


def percentile(values: list[float], share: float) -> float:
    """The value that is not exceeded by `share` of the values; 0 for none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
