"""HTTP calls that report whether any byte of the request was sent."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from delivery.http_client import (
    AsyncHttpClient,
    BrokenError,
    ConnectError,
    HttpClient,
    HttpRequest,
    HttpSeconds,
    UnreachableError,
)
from delivery.ssrf import Guard, IpAddress, RefusedError, parse_target
from tests.certificates import CertificateAuthority, Kind
from tests.esp_server import EspServer, Reply


@pytest.fixture
def client() -> Iterator[HttpClient]:
    made = HttpClient(seconds=HttpSeconds(connect=1.0, write=0.2, answer=0.3))
    yield made
    made.close()


def post(url: str) -> HttpRequest:
    return HttpRequest(method="POST", url=url, headers=[("X-A", "1")], body=b"body")


def test_an_answer_is_given_whatever_it_says(client: HttpClient) -> None:
    with EspServer(Reply(500, b"no", {"X-B": "2"}), Reply(302, b"", {"Location": "/there"})) as server:
        answer = client.call(post(server.url))
        assert (answer.status, answer.text, answer.headers["x-b"]) == (500, "no", "2")
        assert client.call(post(server.url)).status == 302
        assert [(call.method, call.headers["x-a"], call.body) for call in server.calls] == [("POST", "1", b"body")] * 2


def test_what_is_asked_before_the_first_byte_may_say_no(client: HttpClient) -> None:
    class NoError(Exception):
        pass

    def refuse() -> None:
        raise NoError

    with EspServer() as server:
        with pytest.raises(NoError):
            client.call(post(server.url), refuse)
        assert client.call(post(server.url)).status == 200
        assert len(server.calls) == 1


def test_without_a_connection_nothing_is_asked(client: HttpClient) -> None:
    with EspServer() as gone:
        url = gone.url
    for target in (url, "http://nothing.invalid/", "ftp://127.0.0.1/", "https" + url.removeprefix("http")):
        with pytest.raises(UnreachableError):
            client.call(post(target), lambda: pytest.fail("asked"))


def test_a_guard_keeps_calls_out_of_private_networks() -> None:
    with EspServer() as server:
        guarded = HttpClient(Guard())
        with pytest.raises(UnreachableError, match="public address"):
            guarded.call(post(server.url), lambda: pytest.fail("asked"))
        guarded.close()
        assert server.calls == []


def call_from_thread(guard: Guard, url: str) -> int:
    with closing(HttpClient(guard, seconds=HttpSeconds(connect=5.0))) as client:
        return client.call(post(url)).status


def call_from_loop(guard: Guard, url: str) -> int:
    async def call() -> int:
        client = AsyncHttpClient(guard, connect_seconds=5.0)
        try:
            async with client.call("POST", parse_target(url), {"X-A": "1"}, b"body") as response:
                return response.status
        finally:
            await client.close()

    return asyncio.run(call())


class ChangingNames:
    """A DNS whose every answer is another one."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)

    def __call__(self, host: str, port: int) -> list[IpAddress]:
        if not self.answers:
            raise OSError(f"{host} is unknown")
        return [ip_address(text) for text in self.answers.pop(0)]


@pytest.mark.parametrize("call", [call_from_thread, call_from_loop])
def test_a_guarded_call_connects_to_what_was_checked(call: Callable[[Guard, str], int]) -> None:
    """127.0.0.2 is refused by the server's machine, so that the next address is tried; 192.0.2.1 is never asked for."""
    names = ChangingNames(["127.0.0.2", "127.0.0.1"], ["192.0.2.1"])
    guard = Guard(allowed=[ip_network("127.0.0.0/8")], resolve=names)
    with EspServer() as server:
        assert call(guard, server.url.replace("127.0.0.1", "service.test")) == 200
        (received,) = server.calls
    assert (received.headers["x-a"], received.body) == ("1", b"body")
    assert received.headers["host"].startswith("service.test:")
    assert names.answers == [["192.0.2.1"]]


@pytest.mark.parametrize("call", [call_from_thread, call_from_loop])
@pytest.mark.parametrize(
    ("answers", "words"),
    [([["127.0.0.1", "10.0.0.1"]], "not at a public address"), ([[]], "has no address"), ([], "cannot be resolved")],
    ids=["one address inside", "no address", "no name"],
)
def test_a_guarded_call_that_may_not_connect_says_why(
    call: Callable[[Guard, str], int], answers: list[list[str]], words: str
) -> None:
    guard = Guard(allowed=[ip_network("127.0.0.0/8")], resolve=ChangingNames(*answers))
    with EspServer() as server:
        with pytest.raises((UnreachableError, RefusedError, ConnectError), match=words):
            call(guard, server.url.replace("127.0.0.1", "service.test"))
        assert server.calls == []


@pytest.mark.parametrize("kind", Kind)
def test_certificates_are_checked_against_the_authorities_of_openssl(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Kind
) -> None:
    authority = CertificateAuthority(tmp_path, kind)
    # Made before its authority is known.
    with closing(HttpClient()) as stranger, EspServer(tls=authority.issue("127.0.0.1")) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca_file))
        with pytest.raises(UnreachableError, match="certificate verify failed"):
            stranger.call(post(server.url), lambda: pytest.fail("asked"))
        with closing(HttpClient()) as client:
            assert client.call(post(server.url)).status == 200
            with pytest.raises(UnreachableError, match="certificate verify failed"):
                client.call(post(server.url.replace("127.0.0.1", "localhost")), lambda: pytest.fail("asked"))
        assert len(server.calls) == 1


@pytest.mark.parametrize("said", [Reply(is_cut=True), Reply(delay=5.0)])
def test_a_request_without_an_answer_is_broken(client: HttpClient, said: Reply) -> None:
    with EspServer(said) as server:
        with pytest.raises(BrokenError):
            client.call(post(server.url))
        assert len(server.calls) == 1


def test_closing_lets_work_in_progress_finish(client: HttpClient) -> None:
    slow = HttpClient(seconds=HttpSeconds(answer=5.0))
    answers = []
    with EspServer(Reply(200, b"late", delay=0.3)) as server:
        thread = threading.Thread(target=lambda: answers.append(slow.call(post(server.url))))
        thread.start()
        while not server.calls:
            time.sleep(0.01)
        slow.close()
        thread.join()
        assert [answer.text for answer in answers] == ["late"]
        assert slow.call(post(server.url)).status == 200


@contextmanager
def run_raw(*chunks: bytes, pause: float = 0.0) -> Iterator[str]:
    """A server that says `chunks`, whatever is asked."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            try:
                for chunk in chunks:
                    connection.sendall(chunk)
                    time.sleep(pause)
            except OSError:
                pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    thread.join(5)


def test_a_slow_drip_of_bytes_times_out(client: HttpClient) -> None:
    with run_raw(*[b"x"] * 6_000, pause=0.05) as url, pytest.raises(BrokenError):
        client.call(post(url))


@pytest.mark.parametrize(
    "said",
    [
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n" + b"x" * 2_000_000,
    ],
    ids=["not http", "cut short", "without end"],
)
def test_nonsense_is_no_answer(client: HttpClient, said: bytes) -> None:
    with run_raw(said) as url, pytest.raises(BrokenError):
        client.call(post(url))
