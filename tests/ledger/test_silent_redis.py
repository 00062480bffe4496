"""Redis that takes connections and says nothing, over TLS too: each question ends by the limit of the client.

The server falls silent at a step of the conversation, and gives a client up after half a minute. A client without a
limit would then learn that the line has ended; one with a limit ends before, by its own.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any

import pytest
import redis

from ledger.doorbell import doorbell
from ledger.redis_state import Script, open_client, shared
from tests.api.conftest import EMAIL
from tests.certificates import CertificateAuthority
from tests.conftest import ApiClient
from tests.emailsvc.test_broker_tls import open_valkey

GIVE_UP_SECONDS = 30
CLIENT_SECONDS = 0.2
SCRIPT = "return 1"


class Silence(StrEnum):
    """From where on the server says nothing."""

    AT_ONCE = "at once"
    AFTER_THE_HANDSHAKE = "after the handshake of TLS"
    AT_THE_SCRIPT = "at the script"


class SilentRedis(ThreadingTCPServer):
    """`url` is its address for clients, `lines` counts their connections."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, silence: Silence, authority: CertificateAuthority | None) -> None:
        super().__init__(("127.0.0.1", 0), BaseRequestHandler)
        self.silence = silence
        self.context = authority.issue("127.0.0.1") if authority else None
        self.lines = 0
        end = f"?ssl_ca_certs={authority.ca_file}" if authority else ""
        self.url = f"{'rediss' if authority else 'redis'}://127.0.0.1:{self.server_address[1]}/0{end}"

    def finish_request(self, request: Any, client_address: Any) -> None:
        self.lines += 1
        request.settimeout(GIVE_UP_SECONDS)
        with suppress(OSError):
            if self.silence is Silence.AT_ONCE:
                await_end(request)
            elif self.context:
                with self.context.wrap_socket(request, server_side=True) as client:
                    self.converse(client)
            else:
                self.converse(request)

    def converse(self, client: socket.socket) -> None:
        if self.silence is Silence.AT_THE_SCRIPT:
            with open_valkey() as valkey:
                while (asked := client.recv(65_536)) and b"EVAL" not in asked:
                    valkey.sendall(asked)
                    client.sendall(valkey.recv(65_536))
        await_end(client)


def await_end(client: socket.socket) -> None:
    """Until the client has left; TimeoutError when it stays."""
    while client.recv(65_536):
        pass


@contextmanager
def running(silence: Silence, authority: CertificateAuthority | None) -> Iterator[SilentRedis]:
    with SilentRedis(silence, authority) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(params=[False, True], ids=["TCP", "TLS"])
def authority(request: pytest.FixtureRequest, tmp_path: Path) -> CertificateAuthority | None:
    return CertificateAuthority(tmp_path) if request.param else None


def run_script(client: Any) -> object:
    return Script(SCRIPT).run(client, [], [])


@pytest.mark.parametrize("silence", Silence)
def test_a_script_ends_by_the_limit_and_is_tried_once(silence: Silence, authority: CertificateAuthority | None) -> None:
    with running(silence, authority) as server:
        with pytest.raises(redis.TimeoutError):
            run_script(open_client(server.url, CLIENT_SECONDS))
        assert server.lines == 1


def test_a_command_ends_by_the_limit(authority: CertificateAuthority | None) -> None:
    with running(Silence.AT_ONCE, authority) as server, pytest.raises(redis.TimeoutError):
        open_client(server.url, CLIENT_SECONDS).ping()


@pytest.mark.parametrize("silence", Silence)
def test_requests_are_answered_and_but_the_first_ask_nothing_of_it(
    silence: Silence,
    authority: CertificateAuthority | None,
    api: ApiClient,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Any,
) -> None:
    with running(silence, authority) as server:
        # Nothing is asked again meanwhile, however long the requests take.
        for module in ("doorbell", "redis_state"):
            monkeypatch.setattr(f"ledger.{module}.PAUSE_SECONDS", 3600.0)
        for holder in (shared, doorbell):
            monkeypatch.setattr(holder, "_redis", open_client(server.url, CLIENT_SECONDS))
            monkeypatch.setattr(holder, "_quiet_until", 0.0)
        for _ in range(3):
            with django_capture_on_commit_callbacks(execute=True):
                assert api.post("/emails", EMAIL).status_code == 202
            # One by the counters, one by the doorbell.
            assert server.lines == 2
