"""Redis and brokers over TLS: each client checks the certificate, with either kind of authority, on each Python."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis
from django.conf import settings
from django.core.cache.backends.redis import RedisCache
from kombu import Connection

from delivery.broker_tls import redis_tls, split_broker_tls
from tests.certificates import CertificateAuthority, Kind

REFUSED = "certificate verify failed"


def open_valkey() -> socket.socket:
    """The Valkey of this run."""
    parts = urlsplit(settings.REDIS_URL)
    if parts.scheme != "unix":
        return socket.create_connection((parts.hostname, parts.port or 6379))
    line = socket.socket(socket.AF_UNIX)
    line.connect(parts.path)
    return line


class Front(ThreadingTCPServer):
    """Speaks TLS, and passes on what clients ask to Valkey; with `is_mute` it ends after the handshake."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, context: ssl.SSLContext, *, is_mute: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), BaseRequestHandler)
        self.context = context
        self.is_mute = is_mute

    def finish_request(self, request: Any, client_address: Any) -> None:
        with suppress(OSError), self.context.wrap_socket(request, server_side=True) as client:
            if not self.is_mute:
                pass_on(client)


def pass_on(client: ssl.SSLSocket) -> None:
    """Requests are answered before the next is read."""
    with open_valkey() as valkey:
        while asked := client.recv(65_536):
            valkey.sendall(asked)
            client.sendall(valkey.recv(65_536))


@contextmanager
def running_front(context: ssl.SSLContext, *, is_mute: bool = False) -> Iterator[int]:
    """The port of a front."""
    with Front(context, is_mute=is_mute) as front:
        thread = threading.Thread(target=front.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield front.server_address[1]
        finally:
            front.shutdown()
            thread.join()


def ask_as_workers_do(url: str) -> None:
    with redis.Redis.from_url(url, **redis_tls(url)) as client:
        client.ping()


def ask_as_the_cache_does(url: str) -> None:
    cache = RedisCache(url, {"OPTIONS": redis_tls(url)})
    cache.get("nothing")


def ask_as_celery_does(url: str) -> None:
    plain, options = split_broker_tls(url)
    with Connection(plain, ssl=options or None, transport_options={"max_retries": 0}) as connection:
        connection.default_channel.client.ping()


every_client = pytest.mark.parametrize("ask", [ask_as_workers_do, ask_as_the_cache_does, ask_as_celery_does])


@every_client
@pytest.mark.parametrize("kind", Kind)
def test_a_certificate_of_a_named_authority_is_taken_and_a_strangers_refused(
    ask: Callable[[str], None], kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, other = CertificateAuthority(tmp_path, kind), CertificateAuthority(tmp_path, kind, name="other")
    with running_front(ours.issue("127.0.0.1")) as port:
        monkeypatch.setenv("SSL_CERT_FILE", str(ours.ca_file))
        ask(f"rediss://127.0.0.1:{port}/0")
        monkeypatch.setenv("SSL_CERT_FILE", str(other.ca_file))
        with pytest.raises(Exception, match=REFUSED):
            ask(f"rediss://127.0.0.1:{port}/0")
        # The URL's own options count more.
        ask(f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={ours.ca_file}")
        ask(f"rediss://127.0.0.1:{port}/0?ssl_cert_reqs=none")


@every_client
def test_a_certificate_for_another_name_is_refused(
    ask: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = CertificateAuthority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca_file))
    with running_front(authority.issue("redis.test")) as port, pytest.raises(Exception, match="IP address mismatch"):
        ask(f"rediss://127.0.0.1:{port}/0")


@pytest.mark.parametrize(("name", "is_refused"), [("rabbit.test", True), ("127.0.0.1", False)])
def test_a_broker_of_another_name_is_refused(
    name: str, is_refused: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = CertificateAuthority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca_file))
    with running_front(authority.issue(name), is_mute=True) as port:
        plain, options = split_broker_tls(f"amqps://127.0.0.1:{port}//")
        # What follows a handshake is no AMQP here.
        with pytest.raises(OSError) as told:
            Connection(plain, ssl=options, connect_timeout=20).connect()
    assert (REFUSED in str(told.value)) is is_refused


@pytest.mark.parametrize(
    "url", ["redis://127.0.0.1/0", "unix:///run/valkey.sock", "redis+socket:///run/valkey.sock", "amqp://x.test//"]
)
def test_without_tls_nothing_is_added(url: str) -> None:
    assert (redis_tls(url), split_broker_tls(url)) == ({}, (url, {}))


def test_options_of_a_broker_url_are_put_over_ours() -> None:
    plain, options = split_broker_tls(
        "rediss://:pw@x.test:1/2?ssl_ca_certs=%2Fca.pem&ssl_check_hostname=false&health=1"
    )
    wanted: dict[str, Any] = {
        "ssl_ca_certs": "/ca.pem",
        "ssl_check_hostname": False,
        "ssl_cert_reqs": ssl.CERT_REQUIRED,
    }
    assert plain == "rediss://:pw@x.test:1/2?health=1"
    assert wanted.items() <= options.items()


def test_a_check_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="none, optional or required"):
        split_broker_tls("rediss://x.test?ssl_cert_reqs=never")
