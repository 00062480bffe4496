"""Many clients at once: fifty with one idempotency key, five hundred idle connections, two hundred that drip."""

import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from threading import Barrier

from django.db import connection

from drills.harness.load import ApiResponse, Client, build_email, read_accepted
from drills.harness.processes import list_family, read_peak, reset_peak
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


# The addresses of many clients, all of this machine.
HOSTS = [f"127.0.0.{number}" for number in range(2, 12)]
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
            # Ten addresses: one may have only WEB_CONNECTIONS_PER_PEER.
            line = socket.create_connection(place, timeout=5, source_address=(HOSTS[number % len(HOSTS)], 0))
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


DRIPPING = 200
DRIP_SECONDS = 0.5
OPENED_AT_ONCE = 20
HEALTH_SECONDS = 0.25
# The beginnings of four kinds of requests that are never finished. Each goes on with a byte twice a second, but for the
# last one: a large answer of which a byte is read twice a second.
BEGINNINGS = (
    b"POST /api/v1/emails HTTP/1.1\r\nHost: a\r\nX-Slow: ",
    b"POST /api/v1/emails HTTP/1.1\r\nHost: a\r\n%s\r\nContent-Type: application/json\r\n"
    b"Content-Length: 900000\r\n\r\n",
    b"POST /api/v1/emails HTTP/1.1\r\nHost: a\r\n%s\r\nContent-Type: application/json\r\n"
    b"Transfer-Encoding: chunked\r\n\r\nfffff\r\n",
    b"GET /api/v1/emails?limit=100 HTTP/1.1\r\nHost: a\r\n%s\r\n\r\n",
)


def drip(scene: Scene) -> None:
    """200 clients send heads, bodies and chunks, and read answers, a byte twice a second: others are not affected."""
    scene.open_sink()
    scene.stack.start("worker")
    scene.warm_up()
    with dripping(scene, DRIPPING) as dripper, scene.load(RATE) as load:
        waits = ask_health(scene, LOAD_SECONDS * 3)
    scene.note_load(load)
    scene.details |= {
        "dripping": DRIPPING,
        "dripped_bytes": dripper.count,
        "max_ms": round(max(load.seconds) * 1000),
        "health_max_ms": round(max(waits) * 1000),
    }
    scene.expect(not load.refused, f"some POSTs were not answered 202: {dict(load.refused)}")
    scene.expect(max(load.seconds) < POST_SECONDS, f"a POST took {max(load.seconds):.2f} s")
    scene.expect(max(waits) < POST_SECONDS, f"/healthz took {max(waits):.2f} s")
    scene.expect(dripper.count > DRIPPING * LOAD_SECONDS, f"only {dripper.count} bytes dripped")
    scene.wait_for_quiet(since=time.monotonic())


REFUSED_BODIES = 40
REFUSED_BYTES = 28 * 1024 * 1024
MOST_MB = 400


def refused_bodies(scene: Scene) -> None:
    """40 batches of 28 MiB at once, each refused for a field when it has been read: no web process exceeds 400 MB."""
    scene.open_sink()
    scene.stack.start("worker")
    scene.warm_up()
    body = json.dumps([build_email("one@drill.test", text="é" * (1024 * 1024), wrong=True)], ensure_ascii=False)
    count = REFUSED_BYTES // len(body.encode())
    batch = f"[{','.join([body[1:-1]] * count)}]".encode()
    for pid in list_family(scene.stack.webs[0]):
        reset_peak(pid)
    with ThreadPoolExecutor(8) as pool:
        statuses = Counter(pool.map(lambda _: post_bytes(scene, batch), range(REFUSED_BODIES)))
    most = max(read_peak(pid) for pid in list_family(scene.stack.webs[0]))
    scene.details |= {"answers": dict(statuses), "web_mb": round(most)}
    scene.expect(set(statuses) <= {422, 503}, f"some were answered otherwise: {dict(statuses)}")
    scene.expect(statuses[422] > 0, "none was read")
    scene.expect(most < MOST_MB, f"a web process has needed {most:.0f} MB")
    scene.wait_for_quiet(since=time.monotonic())


def post_bytes(scene: Scene, body: bytes) -> int:
    """POST a batch over a connection of its own; returns the status."""
    line = HTTPConnection(LOOPBACK, scene.stack.ground.web_port, timeout=60)
    try:
        line.request("POST", "/api/v1/emails/batch", body, bearer(scene))
        return line.getresponse().status
    except OSError:
        # The server has answered, and closed, while this client was still sending.
        return 503
    finally:
        line.close()


def bearer(scene: Scene) -> dict[str, str]:
    return {"Authorization": f"Bearer {scene.token}", "Content-Type": "application/json"}


def ask_health(scene: Scene, seconds: float) -> list[float]:
    """The durations of `GET /healthz`, four times a second, each over a new connection."""
    waits, until = [], time.monotonic() + seconds
    while time.monotonic() < until:
        started = time.monotonic()
        with socket.create_connection((LOOPBACK, scene.stack.ground.web_port), timeout=30) as line:
            line.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            answer = line.recv(4096)
        waits.append(time.monotonic() - started)
        scene.expect(answer.startswith(b"HTTP/1.1 200"), f"/healthz answered {answer[:40]!r}")
        time.sleep(HEALTH_SECONDS)
    return waits


class Dripper(threading.Thread):
    """Keeps that many slow clients busy; a client whose connection the server ends begins anew."""

    def __init__(self, scene: Scene, number: int) -> None:
        super().__init__(daemon=True)
        self._place = (LOOPBACK, scene.stack.ground.web_port)
        self._key = f"Authorization: Bearer {scene.token}".encode()
        self._lines: list[socket.socket | None] = [None] * number
        self._end = threading.Event()
        self.count = 0

    def run(self) -> None:
        while not self._end.is_set():
            # A few at a time: a burst of requests with a key would be work, and this drill is about waiting.
            room = OPENED_AT_ONCE
            for number, line in enumerate(self._lines):
                if line is None and not room:
                    continue
                room -= line is None
                try:
                    self._lines[number] = line or self._open(number)
                    self._drip(number)
                except OSError:
                    if line := self._lines[number]:
                        line.close()
                    self._lines[number] = None
            self._end.wait(DRIP_SECONDS)

    def _open(self, number: int) -> socket.socket:
        line = socket.socket()
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        line.bind((HOSTS[number % len(HOSTS)], 0))
        line.connect(self._place)
        beginning = BEGINNINGS[number % len(BEGINNINGS)]
        line.sendall(beginning % self._key if b"%s" in beginning else beginning)
        # A body's first part comes at once, so that the server has it on its disk.
        if number % len(BEGINNINGS) in (1, 2):
            line.sendall(b"x" * 300_000)
        line.setblocking(False)
        return line

    def _drip(self, number: int) -> None:
        line = self._lines[number]
        assert line is not None
        if number % len(BEGINNINGS) == 3:
            with suppress(BlockingIOError):
                if not line.recv(1):
                    raise ConnectionResetError
        else:
            line.send(b"x")
        self.count += 1

    def stop(self) -> None:
        self._end.set()
        self.join()
        for line in self._lines:
            if line:
                line.close()


@contextmanager
def dripping(scene: Scene, number: int) -> Iterator[Dripper]:
    """That many clients that drip, from ten addresses."""
    dripper = Dripper(scene, number)
    dripper.start()
    try:
        yield dripper
    finally:
        dripper.stop()
