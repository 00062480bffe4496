"""The web server's worker with slow clients: a real gunicorn with two threads, and an application that echoes."""

import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from emailsvc.launcher.ports import listen
from emailsvc.web.patient_worker import GATHER_BYTES, is_whole

ECHO = """
def application(environ, start_response):
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder = tmp_path_factory.mktemp("web")
    (folder / "echo.py").write_text(ECHO)
    with listen(0) as listener:
        options = (
            "-k",
            "emailsvc.web.patient_worker.PatientWorker",
            "--threads",
            "2",
            "--no-control-socket",
            "--keep-alive",
            "30",
        )
        where = ("--bind", f"fd://{listener.fileno()}", "--pythonpath", f"{folder},{Path.cwd()}")
        command = [sys.executable, "-m", "gunicorn", "echo", *options, *where, "--graceful-timeout", "1"]
        with subprocess.Popen(command, pass_fds=[listener.fileno()], stderr=subprocess.DEVNULL, cwd=folder) as server:
            yield listener.getsockname()[1]
            server.terminate()


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def post(port: int, body: bytes) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("POST", "/", body)
        return connection.getresponse().read()
    finally:
        connection.close()


def read_answer(client: socket.socket, body: bytes) -> None:
    heard = b""
    while not heard.endswith(body):
        more = client.recv(65536)
        assert more, heard
        heard += more
    assert heard.startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize(
    "said",
    [b"", b"POST / HT", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhal"],
    ids=["idle", "head", "body"],
)
def test_clients_that_say_nothing_more_hold_no_thread(port: int, said: bytes) -> None:
    clients = [connect(port) for _ in range(100)]
    try:
        for client in clients:
            client.sendall(said)
        # Within the client's patience, which is shorter than that of the server with those who say nothing.
        assert post(port, b"quick") == b"quick"
    finally:
        for client in clients:
            client.close()


@pytest.mark.parametrize("size", [0, 1, 5_000, GATHER_BYTES - 1, GATHER_BYTES, 3_000_000])
def test_a_body_of_any_size_arrives(port: int, size: int) -> None:
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    assert post(port, body) == body


def test_a_request_that_comes_in_pieces_is_answered(port: int) -> None:
    with connect(port) as client:
        for piece in (b"POST / HTT", b"P/1.1\r\nHost: a\r\nConte", b"nt-Length: 5\r\n\r", b"\nhal", b"lo"):
            client.sendall(piece)
            time.sleep(0.05)
        read_answer(client, b"hallo")


def test_a_kept_connection_answers_again_and_two_requests_at_once(port: int) -> None:
    request = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n"
    with connect(port) as client:
        client.sendall(request + b"ab")
        read_answer(client, b"ab")
        time.sleep(0.2)
        client.sendall(request + b"cd" + request + b"ef")
        read_answer(client, b"ef")


def test_a_chunked_request_is_answered(port: int) -> None:
    with connect(port) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhal\r\n")
        time.sleep(0.1)
        client.sendall(b"2\r\nlo\r\n0\r\n\r\n")
        read_answer(client, b"hallo")


def test_a_client_that_expects_a_100_gets_it(port: int) -> None:
    with connect(port) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 100 Continue")
        client.sendall(b"hallo")
        read_answer(client, b"hallo")


@pytest.mark.parametrize(
    ("heard", "whole"),
    [
        (b"GET / HTTP/1.1\r\n", False),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", True),
        (b"POST / HTTP/1.1\r\nCONTENT-LENGTH: 3\r\n\r\nab", False),
        (b"POST / HTTP/1.1\r\nContent-Length:3\r\n\r\nabc", True),
        (b"POST / HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n", True),
        (b"POST / HTTP/1.1\r\nX-Content-Length: 3\r\n\r\n", True),
        (b"POST / HTTP/1.1\r\nContent-Length: nonsense\r\n\r\n", True),
        (b"x" * GATHER_BYTES, True),
    ],
)
def test_a_request_is_whole_with_its_head_and_its_announced_body(heard: bytes, whole: bool) -> None:
    assert is_whole(bytearray(heard)) is whole


def test_a_request_line_that_is_too_long_is_a_problem(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", "/api/v1/emails?q=" + "x" * 4_100)
    answer = connection.getresponse()
    body = json.loads(answer.read())
    connection.close()
    assert (answer.status, answer.getheader("Content-Type")) == (414, "application/problem+json")
    assert (body["code"], body["request_id"]) == ("uri_too_long", answer.getheader("X-Request-Id"))
