"""The webhook client against real servers: classification of responses, and limits."""

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from ipaddress import ip_address, ip_network
from uuid import uuid4

import pytest

from delivery.ssrf import Guard, IpAddress, parse_target
from tests.certificates import CertificateAuthority, Kind
from tests.webhooks.receiver import Answer, Receiver, run_receiver
from webhooks.posting.http_client import Post, Poster, PostOutcome, read_retry_after

LOOPBACK = [ip_network("127.0.0.0/8")]


@pytest.fixture
def poster() -> Iterator[Poster]:
    poster = Poster(Guard(allowed=LOOPBACK), deadline=timedelta(seconds=1))
    yield poster
    poster.close()


def post(poster: Poster, url: str, body: bytes = b"{}") -> PostOutcome:
    """What came of this post, whatever else is under way."""
    own = Post(id=uuid4(), target=parse_target(url), headers={"X-Test": "1"}, body=body)
    poster.post(own)
    for _ in range(20):
        for answered in poster.wait(5):
            if answered.id == own.id:
                return answered
    raise TimeoutError


def test_a_post_is_answered(poster: Poster, receiver: Receiver):
    answered = post(poster, f"{receiver.url}?a=b", b'{"a":1}')
    assert (answered.status, answered.excerpt, answered.error, answered.is_success) == (200, "ok", "", True)
    assert timedelta(0) < answered.duration < timedelta(seconds=1)
    (request,) = receiver.requests
    assert (request.path, request.body, request.headers["x-test"]) == ("/hook?a=b", b'{"a":1}', "1")
    assert request.headers["host"] == f"127.0.0.1:{receiver.port}"


def test_connections_are_kept_open(poster: Poster, receiver: Receiver):
    for _ in range(3):
        post(poster, receiver.url)
    assert (len(receiver.requests), receiver.connection_count) == (3, 1)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(poster: Poster, receiver: Receiver, status: int):
    with run_receiver() as inside:
        receiver.answers = [Answer(status, {"Location": inside.url})]
        answered = post(poster, receiver.url)
    assert (answered.status, answered.is_success) == (status, False)
    assert inside.connection_count == 0


def test_no_proxy_of_the_environment_is_used(poster: Poster, receiver: Receiver, monkeypatch):
    with run_receiver() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert post(poster, receiver.url).status == 200
    assert proxy.connection_count == 0


def test_a_late_response_counts_as_missing(poster: Poster, receiver: Receiver):
    receiver.answers = [Answer(delay=300)]
    answered = post(poster, receiver.url)
    assert (answered.status, answered.error) == (None, "There was no answer within 1 s.")


def test_a_status_counts_though_its_body_never_ends(poster: Poster, receiver: Receiver):
    receiver.answers = [Answer(body=b"x" * 100, drip=0.2)]
    answered = post(poster, receiver.url)
    assert answered.is_success
    assert 1 <= len(answered.excerpt) < 10


def test_a_large_body_is_left_unread(poster: Poster, receiver: Receiver):
    receiver.answers = [Answer(500, body=b"y" * 10_000_000)]
    answered = post(poster, receiver.url)
    assert (answered.status, len(answered.excerpt)) == (500, 1000)


def test_a_body_is_made_fit_to_keep(poster: Poster, receiver: Receiver):
    receiver.answers = [Answer(500, body=b"a\x00b\x1b[31m\xff\n")]
    assert post(poster, receiver.url).excerpt == "a b [31m\ufffd\n"


def test_a_closed_port_is_reported_in_words(poster: Poster, closed_port: int):
    answered = post(poster, f"http://127.0.0.1:{closed_port}/")
    assert answered.status is None
    assert "refused" in answered.error


def test_a_non_http_response_is_reported_in_words(poster: Poster):
    with Talker(b"220 mail.test ESMTP\r\n") as port:
        answered = post(poster, f"http://127.0.0.1:{port}/")
    assert answered.status is None
    assert "not HTTP" in answered.error


def test_a_server_that_hangs_up_is_told_in_words(poster: Poster):
    with Talker(b"") as port:
        answered = post(poster, f"http://127.0.0.1:{port}/")
    assert answered.status is None
    assert answered.error


def test_a_tls_failure_is_reported_in_words(poster: Poster):
    with Talker(b"hello\r\n") as port:
        answered = post(poster, f"https://127.0.0.1:{port}/")
    assert answered.status is None
    assert "TLS" in answered.error


class Talker:
    """A server that says this to the one who connects, and ends its side.

    It reads what the client has to say until that one ends too: closing over unread bytes is a reset, which makes the
    client forget even what it was told.
    """

    def __init__(self, words: bytes) -> None:
        self.words = words
        self.listener = socket.create_server(("127.0.0.1", 0))

    def __enter__(self) -> int:
        threading.Thread(target=self.talk, daemon=True).start()
        return self.listener.getsockname()[1]

    def talk(self) -> None:
        connection, _ = self.listener.accept()
        with connection:
            connection.sendall(self.words)
            connection.shutdown(socket.SHUT_WR)
            connection.settimeout(20)
            with suppress(OSError):
                while connection.recv(4096):
                    pass

    def __exit__(self, *_: object) -> None:
        self.listener.close()


@pytest.mark.parametrize("kind", Kind)
def test_a_certificate_is_checked_for_the_name_and_not_the_address(tmp_path, monkeypatch, kind):
    authority = CertificateAuthority(tmp_path, kind)
    with run_receiver() as receiver:
        receiver.socket = authority.issue("hook.test").wrap_socket(receiver.socket, server_side=True)
        guard = Guard(allowed=LOOPBACK, resolve=lambda host, port: [ip_address("127.0.0.1")])
        url = f"https://hook.test:{receiver.port}/"
        strangers = Poster(guard, deadline=timedelta(seconds=1))
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca_file))
        trusting = Poster(guard, deadline=timedelta(seconds=1))
        try:
            assert "certificate could not be verified" in post(strangers, url).error
            assert post(trusting, url).status == 200
            assert "certificate could not be verified" in post(trusting, url.replace("hook", "other")).error
        finally:
            strangers.close()
            trusting.close()


class Resolver:
    """A name server whose answer changes."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def __call__(self, host: str, port: int) -> list[IpAddress]:
        self.asked.append(host)
        return [ip_address(text) for text in self.answers.pop(0)]


def test_a_name_that_moves_inside_between_check_and_connect_gets_nowhere(receiver: Receiver):
    """DNS rebinding: what is connected to is what was checked, not what the name means a moment later."""
    resolve = Resolver(["192.0.2.1"], ["127.0.0.1"])
    guard = Guard(resolve=resolve)
    with pytest.raises(Exception, match="not at a public address"):
        guard.find_addresses("hook.test", 80)
    poster = Poster(guard, deadline=timedelta(seconds=1))
    try:
        answered = post(poster, f"http://hook.test:{receiver.port}/")
    finally:
        poster.close()
    assert answered.is_refused
    assert answered.error == "hook.test is not at a public address."
    assert receiver.requests == []
    assert receiver.connection_count == 0


def test_a_name_is_resolved_once_for_check_and_connect(receiver: Receiver):
    """The second answer would lead elsewhere, and is never asked for."""
    resolve = Resolver(["127.0.0.1"], ["127.0.0.2"])
    poster = Poster(Guard(allowed=LOOPBACK, resolve=resolve), deadline=timedelta(seconds=1))
    try:
        assert post(poster, f"http://hook.test:{receiver.port}/").status == 200
    finally:
        poster.close()
    assert resolve.asked == ["hook.test"]
    assert receiver.requests[0].headers["host"] == f"hook.test:{receiver.port}"


def test_another_address_of_the_name_is_tried(receiver: Receiver):
    resolve = Resolver(["127.0.0.2", "127.0.0.1"])
    poster = Poster(Guard(allowed=LOOPBACK, resolve=resolve), deadline=timedelta(seconds=1))
    try:
        assert post(poster, f"http://hook.test:{receiver.port}/").status == 200
    finally:
        poster.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost", "10.0.0.1", "169.254.169.254"])
def test_addresses_inside_are_refused(receiver: Receiver, host: str):
    poster = Poster(Guard(), deadline=timedelta(seconds=2))
    try:
        answered = post(poster, f"http://{host}:{receiver.port}/")
    finally:
        poster.close()
    assert answered.is_refused
    assert receiver.connection_count == 0


def test_a_dead_name_server_holds_up_only_its_own(receiver: Receiver):
    asked = threading.Event()

    def resolve(host: str, port: int) -> list[IpAddress]:
        if host == "slow.test":
            asked.wait(30)
        return [ip_address("127.0.0.1")]

    poster = Poster(Guard(allowed=LOOPBACK, resolve=resolve), deadline=timedelta(seconds=20))
    try:
        for _ in range(20):
            poster.post(Post(id=uuid4(), target=parse_target("http://slow.test/"), headers={}, body=b""))
        assert post(poster, f"http://quick.test:{receiver.port}/").status == 200
    finally:
        asked.set()
        poster.close()


def test_many_slow_posts_run_side_by_side(receiver: Receiver):
    receiver.answers = [Answer(delay=300)]
    poster = Poster(Guard(allowed=LOOPBACK), deadline=timedelta(seconds=300))
    for _ in range(50):
        poster.post(Post(id=uuid4(), target=parse_target(receiver.url), headers={}, body=b"{}"))
    # None has been answered by the time that the last one comes.
    until = time.monotonic() + 60
    while len(receiver.requests) < 50:
        assert time.monotonic() < until
        time.sleep(0.02)
    receiver.is_open = False
    answers: list[PostOutcome] = []
    while len(answers) < 50:
        answers += poster.wait(60)
    poster.close()
    assert {answered.status for answered in answers} == {200}


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        (b"120", timedelta(seconds=120)),
        (b"99999999", timedelta(hours=24)),
        (b"Fri, 31 Dec 2100 23:59:59 GMT", timedelta(hours=24)),
        (b"Wed, 21 Oct 2015 07:28:00 GMT", timedelta(0)),
        (b"", None),
        (b"soon", None),
        (b"-1", None),
        ("²".encode("latin-1"), None),
        (b"9" * 400, None),
        (b"Wed, 21 Oct 2015 07:28:00", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: bytes, wait: timedelta | None):
    assert read_retry_after(value) == wait
