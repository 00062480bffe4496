"""Applications that use everything together: single, batched, tracked, scheduled and rendered mail, and cancels."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from itertools import count
from typing import Self
from uuid import UUID

from drills.harness.evidence import Accepted
from drills.harness.load import ApiResponse, Client, build_email, read_accepted
from drills.harness.scene import Scene

BATCH = 10
# Longer than a server is away: a request that is repeated is not about the past.
SOON = timedelta(seconds=15)
LATER = timedelta(hours=1)
HTML = '<p>Hello, <a href="https://drill.test/orders">your order</a></p>'
TEMPLATE = {"alias": "soak", "name": "Soak", "subject": "Order {{ number }}", "text": "Order {{ number }} is here."}
# While a server restarts, an application asks again; each POST has its idempotency key.
PATIENCE_SECONDS = 60.0
PAUSE_SECONDS = 0.25
AGAIN = frozenset({0, 500, 502, 503, 504})


class MixedLoad:
    """Requests at `rate` per second from several applications, until left. `sent` counts them by their kind.

    Mail that is to be cancelled is scheduled for much later: what its cancel answered 200 to is in `cancelled`.
    """

    def __init__(self, scene: Scene, rate: float, *, clients: int = 3) -> None:
        self._scene = scene
        self._rate = rate
        self._numbers = count()
        self._is_over = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(clients)]
        self.accepted: list[Accepted] = []
        self.cancelled: list[str] = []
        self.sent: Counter[str] = Counter()
        self.unanswered: Counter[str] = Counter()

    def __enter__(self) -> Self:
        prepare_template(self._scene)
        self._begun_at = time.monotonic()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        with self._scene.client() as client:
            for number in self._numbers:
                if self._is_over.wait(max(0.0, self._begun_at + number / self._rate - time.monotonic())):
                    return
                kind = random.choice(list(KINDS))
                try:
                    problem = KINDS[kind](self, client, f"{kind}-{number}")
                except (LookupError, TypeError, ValueError) as error:
                    problem = f"an answer of another shape: {error!r}"
                with self._lock:
                    self.sent[kind] += 1
                    if problem:
                        self.unanswered[f"{kind}: {problem}"] += 1

    def send(self, client: Client, name: str, **values: object) -> str:
        """One email; the problem with its answer, if any."""
        reply = ask(client, "/emails", build_email(f"{name}@drill.test", **values), key=name)
        if reply.status != HTTPStatus.ACCEPTED:
            return str(reply.status)
        with self._lock:
            self.accepted += read_accepted(reply.body)
        return ""

    def send_soon(self, client: Client, name: str) -> str:
        return self.send(client, name, scheduled_at=(datetime.now(UTC) + SOON).isoformat())

    def send_batch(self, client: Client, name: str) -> str:
        addresses = [f"{name}-{index}@drill.test" for index in range(BATCH)]
        reply = ask(client, "/emails/batch", [build_email(address) for address in addresses], key=name)
        if reply.status != HTTPStatus.ACCEPTED:
            return str(reply.status)
        with self._lock:
            self.accepted += map(Accepted, [UUID(item["id"]) for item in reply.body["data"]], addresses)
        return ""

    def cancel(self, client: Client, name: str) -> str:
        """An email that is scheduled for later, and its cancel."""
        later = (datetime.now(UTC) + LATER).isoformat()
        reply = ask(client, "/emails", build_email(f"{name}@drill.test", scheduled_at=later), key=name)
        if reply.status != HTTPStatus.ACCEPTED:
            return str(reply.status)
        answer = ask(client, f"/emails/{reply.body['id']}/cancel", None)
        with self._lock:
            self.accepted += read_accepted(reply.body)
            # A cancel whose answer was lost has held when the next one is told that it came too late.
            self.cancelled.append(reply.body["id"])
        return "" if answer.status in {HTTPStatus.OK, HTTPStatus.CONFLICT} else str(answer.status)


KINDS: Mapping[str, Callable[[MixedLoad, Client, str], str]] = {
    "single": lambda load, client, name: load.send(client, name),
    "tracked": lambda load, client, name: load.send(client, name, html=HTML, track_opens=True, track_clicks=True),
    "template": lambda load, client, name: load.send(
        client, name, template_id="soak", template_vars={"number": name}, subject=None, text=None
    ),
    "scheduled": MixedLoad.send_soon,
    "batch": MixedLoad.send_batch,
    "cancelled": MixedLoad.cancel,
}


def prepare_template(scene: Scene) -> None:
    """The template of the load, published."""
    with scene.client() as client:
        made = client.post("/templates", TEMPLATE)
        scene.expect(made.status == HTTPStatus.CREATED, f"POST /templates answered {made.status}: {made.body}")
        published = client.post("/templates/soak/publish")
        scene.expect(published.status < 300, f"publishing answered {published.status}: {published.body}")


def ask(client: Client, path: str, body: object, *, key: str = "") -> ApiResponse:
    """POST until there is an answer that a later try would not change."""
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        reply = client.post(path, body, **({"Idempotency_Key": key} if key else {}))
        if reply.status not in AGAIN or time.monotonic() > until:
            return reply
        time.sleep(PAUSE_SECONDS)
