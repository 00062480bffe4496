"""Which answers count as those of our own listeners."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from emailsvc.launcher.ports import listen
from emailsvc.launcher.readiness import Ports, list_obstacles
from tests.port_guard import unguarded_ports

RUN_ID = "5ca1ab1e"
OK = {"status": "ok", "detail": "answers"}


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        opened.enter_context(unguarded_ports())
        yield opened


@contextmanager
def answering(said: bytes) -> Iterator[int]:
    """The port of a server that says the same to everybody."""
    with listen(0) as listener:
        threading.Thread(target=answer, args=(listener, said), daemon=True).start()
        yield listener.getsockname()[1]
        # Wakes the thread: closing alone leaves it waiting.
        listener.shutdown(socket.SHUT_RDWR)


def answer(listener: socket.socket, said: bytes) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            connection.sendall(said)
            connection.settimeout(5)
            connection.recv(4096)


def http(body: object) -> bytes:
    text = json.dumps(body).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(text), text)


def ready(run_id: str | None, **checks: dict[str, str]) -> bytes:
    return http({"status": "ready", "run_id": run_id, "checks": {"database": OK, **checks}})


def greeting(name: str, run_id: str = RUN_ID) -> bytes:
    return f"220 localhost emailsvc {name} {run_id}\r\n".encode()


SERVERS = {
    "web": ready(RUN_ID),
    "smtp": greeting("inbox"),
    "reports": greeting("reports"),
    "submission": greeting("submission"),
}


@pytest.mark.parametrize(
    ("name", "said", "obstacle"),
    [
        ("web", ready(RUN_ID), ""),
        ("web", ready("f00d"), "web: somebody else answers on port {}"),
        ("web", ready(None), "web: somebody else answers on port {}"),
        ("web", http(["hello"]), "web: somebody else answers on port {}"),
        ("web", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "web: somebody else answers on port {}"),
        ("web", ready(RUN_ID, workers={"status": "warning", "detail": "none"}), "workers: none"),
        ("smtp", greeting("inbox", "f00d"), "inbox: somebody else answers on port {}"),
        ("smtp", b"220 localhost emailsvc inbox\r\n", "inbox: somebody else answers on port {}"),
        ("smtp", f"421 busy {RUN_ID}\r\n".encode(), "inbox: somebody else answers on port {}"),
        ("smtp", b"220 \xff\xfe" + b"x" * 2000, "inbox: somebody else answers on port {}"),
        ("reports", b"", "reports: no greeting on port {}"),
        ("reports", greeting("reports", "f00d"), "reports: somebody else answers on port {}"),
        ("submission", greeting("submission", "f00d"), "submission: somebody else answers on port {}"),
    ],
)
def test_each_listener_names_our_run(stack: ExitStack, name: str, said: bytes, obstacle: str) -> None:
    ports = {server: stack.enter_context(answering(words)) for server, words in {**SERVERS, name: said}.items()}
    expected = [obstacle.format(ports[name])] if obstacle else []
    assert list_obstacles(Ports(**ports, submission_tls=0), RUN_ID) == expected


def test_a_listener_counts_only_once_it_greets(stack: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emailsvc.launcher.readiness.GREETING_SECONDS", 0.2)
    silent = stack.enter_context(listen(0)).getsockname()[1]
    ports = {name: stack.enter_context(answering(SERVERS[name])) for name in ("web", "reports", "submission")}
    assert list_obstacles(Ports(**ports, smtp=silent, submission_tls=0), RUN_ID) == [
        f"inbox: no greeting on port {silent}"
    ]
