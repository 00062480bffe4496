"""Many clients at once: fifty with one idempotency key, and five hundred idle connections."""

import socket
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier

from django.db import connection

from drills.harness.load import ApiResponse, Client, build_email, read_accepted
from drills.harness.scene import Scene
from emailsvc.launcher.ports import LOOPBACK
from messages.models import Message

ROUNDS = 20
CALLERS = 50
# The response to a request whose twin is still in progress: try again.
IN_FLIGHT = 409
IDLE = 500
RATE = 20.0
LOAD_SECONDS = 5.0
# The promise to active clients.
POST_SECONDS = 1.0


def same_key(scene: Scene) -> None:
    """50 parallel POSTs with one Idempotency-Key, 20 times: each time one message, and the same response for all."""
    scene.open_sink()
    scene.stack.start("worker")
    clients = [scene.client() for _ in range(CALLERS)]
    answers = Counter[int]()
    with ThreadPoolExecutor(CALLERS) as pool:
        for number in range(ROUNDS):
            replies = race(pool, clients, number)
            answers.update(reply.status for reply in replies)
            ids = {reply.body["id"] for reply in replies if reply.status == 202}
            scene.expect(len(ids) == 1, f"round {number}: {len(ids)} emails for one key")
            # A repeat after a 409 gets the same response.
            again = clients[0].post("/emails", build_round(number), Idempotency_Key=f"order-{number}")
            scene.expect(again.status == 202 and {again.body["id"]} == ids, f"round {number}: another answer later")
            scene.accepted += read_accepted(again.body) if again.status == 202 else []
    scene.details["answers"] = dict(answers)
    scene.expect(set(answers) <= {202, IN_FLIGHT}, f"some were answered otherwise: {dict(answers)}")
    scene.wait_for_quiet(since=time.monotonic())
    count = Message.objects.filter(project__in=scene.projects).count()
    scene.expect(count == ROUNDS, f"{count} messages for {ROUNDS} keys")
    for client in clients:
        client.close()
    connection.close()


def build_round(number: int) -> dict[str, object]:
    return build_email(f"one-{number}@drill.test")


def race(pool: ThreadPoolExecutor, clients: Sequence[Client], number: int) -> list[ApiResponse]:
    """Post all of them at the same moment."""
    start = Barrier(len(clients))

    def call(client: Client) -> ApiResponse:
        start.wait()
        return client.post("/emails", build_round(number), Idempotency_Key=f"order-{number}")

    return list(pool.map(call, clients))


def idle_connections(scene: Scene) -> None:
    """500 connections send nothing, half a request, or stay open after a response: other clients are not affected."""
    scene.open_sink()
    scene.stack.start("worker")
    scene.warm_up()
    with idle_lines(scene, IDLE) as lines, scene.load(RATE) as load:
        time.sleep(LOAD_SECONDS)
        scene.details["open"] = sum(is_open(line) for line in lines)
    scene.note_load(load)
    scene.details |= {"p99_ms": round(load.p99_ms), "max_ms": round(max(load.seconds) * 1000)}
    scene.expect(not load.refused, f"some POSTs were not answered 202: {dict(load.refused)}")
    scene.expect(max(load.seconds) < POST_SECONDS, f"a POST took {max(load.seconds):.2f} s")
    scene.expect(scene.details["open"] == IDLE, f"only {scene.details['open']} connections were held open")
    scene.wait_for_quiet(since=time.monotonic())


# The bytes that they send before they fall silent.
WORDS = (
    b"",
    b"POST /api/v1/emails HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Le",
    b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
)


@contextmanager
def idle_lines(scene: Scene, count: int) -> Iterator[Sequence[socket.socket]]:
    """Connections to the web server, closed at the end."""
    place = (LOOPBACK, scene.stack.ground.web_port)
    lines = []
    try:
        for number in range(count):
            line = socket.create_connection(place, timeout=5)
            lines.append(line)
            line.sendall(WORDS[number % len(WORDS)])
        yield lines
    finally:
        for line in lines:
            line.close()


def is_open(line: socket.socket) -> bool:
    """Whether the server has kept the connection open. A response may be unread."""
    line.setblocking(False)
    try:
        while line.recv(4096):
            pass
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
