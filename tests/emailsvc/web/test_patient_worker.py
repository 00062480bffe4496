"""The web server's worker with slow clients: a real gunicorn with two threads, and an application that echoes."""

import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from emailsvc.launcher.ports import listen
from emailsvc.web.serving.limits import GATHER_BYTES

# `/refused` answers before it reads, `/stream` says little at a time, `/large` says much, `/named` names a limit.
ECHO = """
import threading
from common.listening import BODY_LIMIT

class Stream:
    streaming = True
    def __init__(self):
        self.items = iter([b"one", b"", b"", b"two"])
    def __iter__(self):
        return self.items
    def close(self):
        pass

def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/refused":
        start_response("403 Forbidden", [("Content-Length", "2")])
        return [b"no"]
    if path == "/fails":
        raise RuntimeError("a fault of the application")
    if path == "/stream":
        start_response("200 OK", [])
        return Stream()
    if path == "/large":
        start_response("200 OK", [("Content-Length", str(4_000_000))])
        return [b"x" * 4_000_000]
    if path == "/named":
        environ[BODY_LIMIT] = 100_000
    try:
        body = environ["wsgi.input"].read()
    except Exception:
        start_response("400 Bad Request", [("Content-Length", "6")])
        return [b"broken"]
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""
LIMITS = """
def post_fork(server, worker):
    from emailsvc.web.serving.limits import ServerLimits
    worker.limits = ServerLimits({})
"""


@contextmanager
def serve(folder: Path, limits: str = "", warming: str = "") -> Iterator[int]:
    (folder / "echo.py").write_text(ECHO)
    (folder / "conf.py").write_text(LIMITS.format(limits) + warming)
    with listen(0) as listener:
        options = ("-k", "emailsvc.web.patient_worker.PatientWorker", "--threads", "2", "--no-control-socket")
        where = ("--bind", f"fd://{listener.fileno()}", "--pythonpath", f"{folder},{Path.cwd()}")
        more = ("-c", str(folder / "conf.py"), "--keep-alive", "30", "--graceful-timeout", "1")
        command = [sys.executable, "-m", "gunicorn", "echo", *options, *where, *more]
        with subprocess.Popen(command, pass_fds=[listener.fileno()], stderr=subprocess.DEVNULL, cwd=folder) as server:
            yield listener.getsockname()[1]
            server.terminate()


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with serve(tmp_path_factory.mktemp("web"), "connections_per_peer=150") as number:
        yield number


@pytest.fixture(scope="module")
def hasty_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A server with little patience and little room."""
    limits = (
        "connections_per_peer=3, head_seconds=0.3, transfer_seconds=0.3, drain_seconds=0.3, bytes_in_flight=4_000_000"
    )
    with serve(tmp_path_factory.mktemp("hasty"), limits) as number:
        yield number


def connect(port: int, *, source: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=8, source_address=(source, 0))


def post(port: int, body: bytes, path: str = "/") -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=8)
    try:
        connection.request("POST", path, body)
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


def read_all(client: socket.socket) -> bytes:
    """Everything until the server closes."""
    heard = b""
    while more := client.recv(65536):
        heard += more
    return heard


def head(path: str = "/", *fields: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: a", *fields, "", ""]
    return "\r\n".join(lines).encode()


SLOW = {
    "idle": b"",
    "head": b"POST / HT",
    "body": head("/", "Content-Length: 5") + b"hal",
    "large": head("/", "Content-Length: 5000000") + b"x" * 100_000,
    "chunked": head("/", "Transfer-Encoding: chunked") + b"5\r\nhal",
    "chunked and large": head("/", "Transfer-Encoding: chunked") + b"fffff\r\n" + b"x" * 300_000,
    "expecting": head("/", "Content-Length: 5000000", "Expect: 100-continue"),
    "reading nothing": head("/large", "Content-Length: 0"),
}


@pytest.mark.parametrize("said", SLOW.values(), ids=SLOW.keys())
def test_clients_that_say_nothing_more_hold_no_thread(port: int, said: bytes) -> None:
    with ExitStack() as stack:
        # A few of them would hold both threads; large bodies and answers take room on the disk.
        is_large = len(said) > 1000 or said == SLOW["reading nothing"]
        clients = [stack.enter_context(connect(port)) for _ in range(10 if is_large else 60)]
        for client in clients:
            client.sendall(said)
        # Within the client's patience, which is shorter than the server's.
        assert post(port, b"quick") == b"quick"


@pytest.mark.parametrize("size", [0, 1, 5_000, GATHER_BYTES, GATHER_BYTES + 1, 3_000_000])
def test_a_body_of_any_size_arrives(port: int, size: int) -> None:
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    assert post(port, body) == body


def test_a_large_answer_arrives_whole(port: int) -> None:
    assert post(port, b"", "/large") == b"x" * 4_000_000


def test_a_request_that_comes_in_pieces_is_answered(port: int) -> None:
    with connect(port) as client:
        for piece in (b"\r\nPOST / HTT", b"P/1.1\r\nHost: a\r\nConte", b"nt-Length: 5\r\n\r", b"\nhal", b"lo"):
            client.sendall(piece)
            time.sleep(0.02)
        read_answer(client, b"hallo")


def test_a_kept_connection_answers_again_and_two_requests_at_once(port: int) -> None:
    request = head("/", "Content-Length: 2")
    with connect(port) as client:
        client.sendall(request + b"ab")
        read_answer(client, b"ab")
        client.sendall(request + b"cd" + request + b"ef")
        read_answer(client, b"ef")


def test_the_next_request_may_follow_a_large_body_at_once(port: int) -> None:
    body = b"y" * 400_000
    with connect(port) as client:
        client.sendall(head("/", "Content-Length: 400000") + body + head("/", "Content-Length: 3") + b"end")
        read_answer(client, b"end")


def test_http_1_0_and_head_are_answered(port: int) -> None:
    with connect(port) as client:
        client.sendall(b"POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\nab")
        answer = read_all(client)
    assert answer.startswith(b"HTTP/1.0 200 OK")
    assert answer.endswith(b"\r\n\r\nab")
    with connect(port) as client:
        client.sendall(b"HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert read_all(client).endswith(b"\r\n\r\n")


@pytest.mark.parametrize("size", [5, 500_000])
def test_a_chunked_request_is_answered(port: int, size: int) -> None:
    with connect(port) as client:
        client.sendall(head("/", "Transfer-Encoding: chunked") + b"3;a=b\r\nhal\r\n")
        time.sleep(0.05)
        client.sendall(b"%x\r\n%s\r\n0\r\nX-Trailer: a\r\n\r\n" % (size, b"l" * size))
        read_answer(client, b"\r\nhal" + b"l" * size)
        client.sendall(head("/", "Content-Length: 3") + b"end")
        read_answer(client, b"end")


@pytest.mark.parametrize("said", [b"x\r\n", b"3\r\nhallo\r\n", b"3\nhal\n", b"1" * 2000, b"-1\r\n", b"0x1\r\na"])
def test_malformed_chunks_reach_the_application_as_a_body_that_cannot_be_read(port: int, said: bytes) -> None:
    with connect(port) as client:
        client.sendall(head("/", "Transfer-Encoding: chunked") + said)
        answer = read_all(client)
    assert answer.startswith(b"HTTP/1.1 400")
    assert answer.endswith(b"broken")


def test_a_body_that_ends_early_reaches_the_application_as_one_that_cannot_be_read(port: int) -> None:
    with connect(port) as client:
        client.sendall(head("/", "Content-Length: 5") + b"hal")
        client.shutdown(socket.SHUT_WR)
        assert read_all(client).endswith(b"broken")


@pytest.mark.parametrize("size", [5, 100_000])
def test_a_client_that_expects_a_100_gets_it(port: int, size: int) -> None:
    with connect(port) as client:
        client.sendall(head("/", f"Content-Length: {size}", "Expect: 100-continue"))
        assert client.recv(100).startswith(b"HTTP/1.1 100 Continue")
        client.sendall(b"h" * size)
        read_answer(client, b"\r\n" + b"h" * size)


def test_a_large_body_that_is_refused_is_not_asked_for(port: int) -> None:
    with connect(port) as client:
        client.sendall(head("/refused", "Content-Length: 100000", "Expect: 100-continue"))
        answer = read_all(client)
    assert answer.startswith(b"HTTP/1.1 403")
    assert b"Connection: close" in answer


def test_a_refusal_is_read_by_a_client_that_is_still_sending(port: int) -> None:
    with connect(port) as client:
        client.sendall(head("/refused", "Content-Length: 20000000") + b"x" * 20_000_000)
        assert read_all(client).endswith(b"no")


def test_a_chunked_body_is_read_little_beyond_the_limit_of_its_view(port: int) -> None:
    with connect(port) as client:
        client.sendall(head("/named", "Transfer-Encoding: chunked") + b"989680\r\n" + b"x" * 700_000)
        # The view decides; this one echoes what it got.
        length = next(line for line in read_all(client).split(b"\r\n") if line.startswith(b"Content-Length"))
    assert 100_000 < int(length.split()[1]) < 700_000


def test_a_stream_says_what_it_has_and_is_asked_again(port: int) -> None:
    with connect(port) as client:
        client.sendall(head("/stream", "Content-Length: 0"))
        read_answer(client, b"3\r\none\r\n")
        # Both threads are free while it has nothing to say.
        assert post(port, b"a") == b"a"
        heard = client.recv(100)
        assert heard.startswith(b"3\r\ntwo\r\n")


def test_a_fault_of_the_application_is_500_and_the_next_request_is_answered(port: int) -> None:
    with connect(port) as client:
        client.sendall(head("/fails", "Content-Length: 0"))
        assert read_all(client).startswith(b"HTTP/1.1 500")
    assert post(port, b"a") == b"a"


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"POST /\r\n\r\n", 400),
        (b"GET / HTTP/1.1\nHost: a\n\n", 400),
        (b"POST / HTTP/9.1\r\n\r\n", 400),
        (head("/", "Content-Length: nonsense"), 400),
        (head("/", "Content-Length: 1", "Content-Length: 2"), 400),
        (head("/", "Content-Length: 1", "Transfer-Encoding: chunked"), 400),
        (head("/", "Transfer-Encoding: rot13"), 501),
        (head("/", "Expect: wonders"), 417),
        (head("/", "X: " + "x" * 9000), 431),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 12_000, 431),
        (b"GET /" + b"x" * 70_000, 414),
    ],
)
def test_a_malformed_head_is_answered_and_closed(port: int, said: bytes, status: int) -> None:
    with connect(port) as client:
        client.sendall(said)
        assert read_all(client).startswith(b"HTTP/1.1 %d" % status)


def test_a_request_line_that_is_too_long_is_a_problem(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=8)
    connection.request("GET", "/api/v1/emails?q=" + "x" * 4_100)
    answer = connection.getresponse()
    body = json.loads(answer.read())
    connection.close()
    assert (answer.status, answer.getheader("Content-Type")) == (414, "application/problem+json")
    assert (body["code"], body["request_id"]) == ("uri_too_long", answer.getheader("X-Request-Id"))


def read_problem(client: socket.socket) -> tuple[int, str]:
    answer = http.client.HTTPResponse(client)
    answer.begin()
    return answer.status, json.loads(answer.read())["code"]


@pytest.mark.parametrize("said", [SLOW["head"], SLOW["body"], SLOW["chunked"]], ids=["head", "body", "chunked"])
def test_a_request_that_takes_too_long_is_told_so(hasty_port: int, said: bytes) -> None:
    with connect(hasty_port) as client:
        client.sendall(said)
        assert read_problem(client) == (408, "request_timeout")


def test_an_idle_connection_and_a_reader_of_nothing_are_closed(hasty_port: int) -> None:
    with connect(hasty_port) as client:
        assert read_all(client) == b""


def test_a_peer_has_so_many_connections_and_others_have_theirs(hasty_port: int) -> None:
    with ExitStack() as stack:
        mine = [stack.enter_context(connect(hasty_port, source="127.0.0.2")) for _ in range(3)]
        one_more = stack.enter_context(connect(hasty_port, source="127.0.0.2"))
        assert read_problem(one_more) == (429, "too_many_connections")
        assert post(hasty_port, b"a") == b"a"
        for client in mine:
            client.close()
    with connect(hasty_port, source="127.0.0.2") as client:
        client.sendall(head("/", "Content-Length: 1", "Connection: close") + b"a")
        assert read_all(client).endswith(b"a")


def test_large_bodies_are_refused_before_they_are_read_when_there_is_no_room(hasty_port: int) -> None:
    with connect(hasty_port) as client:
        client.sendall(head("/", "Content-Length: 3000000"))
        assert read_problem(client) == (503, "too_many_bytes_in_flight")
    # What a refused one would have taken is free.
    assert post(hasty_port, b"x" * 900_000) == b"x" * 900_000


def post_once(port: int) -> bytes:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        connection.request("POST", "/", b"now")
        return connection.getresponse().read()


@pytest.mark.parametrize("seconds", [0.2, 60.0])
def test_a_worker_takes_connections_when_it_is_warm_or_a_second_is_over(tmp_path: Path, seconds: float) -> None:
    warming = f"    worker.warm_up = lambda: (__import__('time').sleep({seconds}), open('warm', 'w').close())\n"
    with serve(tmp_path, warming=warming) as number:
        begun_at = time.monotonic()
        assert post_once(number) == b"now"
        assert (tmp_path / "warm").exists() == (seconds < 1)
        assert time.monotonic() - begun_at > min(seconds, 1.0)


def test_a_fault_of_warming_up_does_no_harm(tmp_path: Path) -> None:
    with serve(tmp_path, warming="    worker.warm_up = lambda: 1 / 0\n") as number:
        assert post_once(number) == b"now"
