"""MTA-STS policies: parsing, fetching, caching."""

import inspect
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest

from delivery.mx import mta_sts
from delivery.mx.mta_sts import HttpsFetcher, MemoryStore, Policy, PolicyError, PolicyFinder, parse_policy
from delivery.ssrf import Guard
from delivery.tls import make_client_context
from tests.certificates import CertificateAuthority, Kind
from tests.delivery.mx.mx_names import FAILING, MISSING, Zone

TEXT = "version: STSv1\r\nmode: enforce\r\nmx: mx1.x.test\r\nmx: *.mail.x.test\r\nmax_age: 604800\r\n"


def test_a_policy_is_read() -> None:
    policy = parse_policy(TEXT)
    assert policy == Policy(mode="enforce", patterns=("mx1.x.test", "*.mail.x.test"), max_age=604800)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html>",
        TEXT.replace("STSv1", "STSv2"),
        TEXT.replace("enforce", "maybe"),
        TEXT.replace("604800", "-1"),
        "version: STSv1\nmode: enforce\nmax_age: 1\n",
    ],
)
def test_an_invalid_policy_is_rejected(text: str) -> None:
    with pytest.raises(PolicyError):
        parse_policy(text)


@pytest.mark.parametrize(
    ("host", "is_admitted"),
    [
        ("mx1.x.test", True),
        ("MX1.x.test", True),
        ("a.mail.x.test", True),
        ("a.b.mail.x.test", False),
        ("mail.x.test", False),
        ("evil.test", False),
    ],
)
def test_a_star_matches_exactly_one_label(host: str, is_admitted: bool) -> None:
    assert parse_policy(TEXT).admits(host) is is_admitted


class Source:
    """Fetches from a variable, and counts."""

    def __init__(self, text: str = TEXT) -> None:
        self.text = text
        self.count = 0

    def __call__(self, domain: str) -> str:
        self.count += 1
        if not self.text:
            raise PolicyError("away")
        return self.text


def build(record: Any, source: Source, store: MemoryStore | None = None) -> PolicyFinder:
    return PolicyFinder(Zone(texts={"_mta-sts.x.test": record}), source, store or MemoryStore())


def test_a_policy_is_fetched_once_for_each_id() -> None:
    source, store = Source(), MemoryStore()
    first = build(["v=STSv1; id=2024;"], source, store)
    assert [first.find("x.test").mode for _ in range(3)] == ["enforce"] * 3
    assert source.count == 1
    build(["v=STSv1; id=2025"], source, store).find("x.test")
    assert source.count == 2


@pytest.mark.parametrize("record", [[], MISSING, FAILING, ["v=STSv1; id=1", "v=STSv1; id=2"], ["v=STSv1; id=!"]])
def test_without_one_good_record_there_is_no_policy(record: Any) -> None:
    source = Source()
    assert build(record, source).find("x.test").mode == "none"
    assert source.count == 0


@pytest.mark.parametrize("record", [[], FAILING, ["v=STSv1; id=2"]])
def test_a_cached_policy_applies_while_the_new_one_is_unavailable(record: Any) -> None:
    """Who hides the record or the file does not get rid of the policy."""
    source, store = Source(), MemoryStore()
    build(["v=STSv1; id=1"], source, store).find("x.test")
    source.text = ""
    assert build(record, source, store).find("x.test").mode == "enforce"


def test_failed_fetches_do_not_make_a_policy_last_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a domain that gave its policy up would be held to it for good."""
    now = 1000.0
    monkeypatch.setattr(mta_sts, "time", lambda: now)
    source, store = Source(), MemoryStore()
    build(["v=STSv1; id=1"], source, store).find("x.test")
    source.text = ""
    finder = build(["v=STSv1; id=2"], source, store)
    modes = []
    for _ in range(4):
        modes.append(finder.find("x.test").mode)
        now += 250_000
    assert modes == ["enforce", "enforce", "enforce", "none"]


def test_after_a_failed_fetch_the_next_mail_does_not_try_anew() -> None:
    source = Source("")
    finder = build(["v=STSv1; id=1"], source)
    assert [finder.find("x.test").mode for _ in range(3)] == ["none"] * 3
    assert source.count == 1


class Handler(BaseHTTPRequestHandler):
    status, content_type, body = 200, "text/plain; charset=utf-8", TEXT.encode()

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.send_header("Content-Type", self.content_type)
        self.send_header("Location", "https://elsewhere.test/")
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serving(
    tmp_path: Path, name: str, kind: Kind = Kind.FULL, seconds: float = 60.0, handler: type = Handler, **values: Any
) -> Iterator[HttpsFetcher]:
    """An HTTPS server with a certificate for `name`, and a fetcher that knows its authority."""
    authority = CertificateAuthority(tmp_path, kind)
    server = HTTPServer(("127.0.0.1", 0), type("Own", (handler,), values))
    server.socket = authority.issue(name).wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    guard = Guard(allowed=[ip_network("127.0.0.0/8")], resolve=lambda *_: [ip_address("127.0.0.1")])
    try:
        trusted = make_client_context(str(authority.ca_file))
        yield HttpsFetcher(guard, port=server.server_port, context=trusted, seconds=seconds)
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("kind", Kind)
def test_a_policy_comes_over_https_from_the_domain_itself(tmp_path: Path, kind: Kind) -> None:
    with serving(tmp_path, "mta-sts.x.test", kind) as fetch:
        assert parse_policy(fetch("x.test")).mode == "enforce"


@pytest.mark.parametrize(
    "values", [{"status": 302}, {"status": 404}, {"content_type": "text/html"}, {"body": b"x" * 100_000}]
)
def test_redirects_errors_pages_and_floods_are_no_policy(tmp_path: Path, values: dict[str, Any]) -> None:
    with serving(tmp_path, "mta-sts.x.test", **values) as fetch, pytest.raises(PolicyError):
        parse_policy(fetch("x.test"))


@pytest.mark.parametrize("kind", Kind)
def test_a_certificate_for_another_name_is_refused(tmp_path: Path, kind: Kind) -> None:
    with serving(tmp_path, "evil.test", kind) as fetch, pytest.raises(PolicyError, match="mismatch"):
        fetch("x.test")


class DrippingHandler(Handler):
    """Sends a body without end, byte by byte, for as long as the client listens."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        with suppress(OSError):
            while True:
                self.wfile.write(b"x")
                time.sleep(0.01)


def test_a_server_that_sends_single_bytes_is_left_when_the_time_is_over(tmp_path: Path) -> None:
    with (
        serving(tmp_path, "mta-sts.x.test", seconds=0.2, handler=DrippingHandler) as fetch,
        pytest.raises(PolicyError, match=r"within 0\.2 s"),
    ):
        fetch("x.test")


def test_a_dead_name_server_is_left_when_the_time_is_over() -> None:
    is_over = threading.Event()

    def resolve(*_: object) -> list[Any]:
        is_over.wait()
        return []

    try:
        with pytest.raises(PolicyError, match=r"within 0\.1 s"):
            HttpsFetcher(Guard(resolve=resolve), seconds=0.1)("x.test")
    finally:
        is_over.set()


def test_a_fetch_takes_a_minute_at_most() -> None:
    assert inspect.signature(HttpsFetcher).parameters["seconds"].default == 60


def test_a_policy_host_on_a_private_address_is_refused() -> None:
    guard = Guard(resolve=lambda *_: [ip_address("127.0.0.1")])
    with pytest.raises(PolicyError, match="not at a public address"):
        HttpsFetcher(guard)("x.test")


def test_what_is_kept_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(mta_sts, "time", lambda: now)
    store = MemoryStore()
    store.put("x.test", "text", 60)
    assert store.get("x.test") == "text"
    now = 1061.0
    assert store.get("x.test") is None
