"""Fixtures for every test: a project, a key, and a JSON client for it."""

import json as json_module
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.core import mail
from django.http import HttpResponse
from django.test import Client
from hypothesis import settings as hypothesis_settings

from accounts.acting_for import Delegate
from accounts.models import ApiKey, Project
from accounts.requests import recording
from accounts.scopes import ADMIN, ALL
from accounts.services import create_api_key
from common.addresses import parse_address
from domains import verification
from emailsvc.launcher.ports import held_port
from ledger import cached_rows as cached_rows_module
from ledger.cached_rows import CachedRows, cached_rows
from ledger.telemetry import lines
from messages import services
from messages.accepting.draft import Draft
from messages.models import Message
from messages.pausing.state import pause_state
from providers.routing.selection import routes
from tests.database_template import copy_template
from tests.domains.dns_server import DnsServer, run_dns_server
from tests.lock_order import Transactions, recorded_locks
from tests.port_guard import guarded_ports
from tests.shortcuts import ready_projects, shortcuts

# Machines under load are slow, and a test that fails must fail again.
hypothesis_settings.register_profile("emailsvc", deadline=None, derandomize=True)
hypothesis_settings.load_profile("emailsvc")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say how to have the same order again; pytest-randomly says it in the header, which `-q` leaves out."""
    seed = config.getoption("randomly_seed", None)
    if isinstance(seed, int):
        terminalreporter.write_line(f"The order was that of --randomly-seed={seed}")


@pytest.fixture(scope="session", autouse=True)
def all_locks() -> Iterator[Transactions]:
    """The locks that are taken; what else holds for the whole process is begun with it."""
    with recorded_locks() as transactions, shortcuts(), guarded_ports():
        yield transactions


@pytest.fixture(autouse=True)
def _each_test_begins_anew(all_locks: Transactions) -> Iterator[None]:
    """One fixture, since each costs ten thousand tests a tenth of a millisecond.

    A process keeps the providers and pauses for a second: longer than the transaction of the test that made them.
    Every test is a test of the one order of locks, in whatever flow it has (docs/decisions/0205).
    """
    routes.forget()
    pause_state.forget()
    mail.outbox.clear()
    yield
    lines.forget_lines()
    recording.forget_requests()
    breaches = all_locks.take_breaches()
    assert not breaches, "\n\n".join(breaches)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings: None) -> None:
    copy_template()


@dataclass
class ApiClient:
    """Calls `/api/v1` with a key: `api.post("/emails", {"to": …}, Idempotency_Key="a")`.

    Paths that begin with `/api` or `/compat` are taken as they are. Bodies are JSON unless they are bytes. Headers are
    keyword arguments with `_` for `-`. An exception in a view is a 500, as a caller sees it.
    """

    token: str | None
    key: ApiKey | None = None
    client: Client = field(default_factory=lambda: Client(raise_request_exception=False))

    def request(self, method: str, path: str, body: Any = None, /, **headers: str) -> HttpResponse:
        full = path if path.startswith(("/api", "/compat")) else f"/api/v1{path}"
        data = body if isinstance(body, bytes) else b"" if body is None else json_module.dumps(body).encode()
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        content_type = given.pop("Content-Type", "" if body is None else "application/json")
        if self.token:
            given.setdefault("Authorization", f"Bearer {self.token}")
        return self.client.generic(method, full, data, content_type=content_type, headers=given)

    def get(self, path: str, /, **headers: str) -> HttpResponse:
        return self.request("GET", path, **headers)

    def post(self, path: str, body: Any = None, /, **headers: str) -> HttpResponse:
        return self.request("POST", path, body, **headers)

    def patch(self, path: str, body: Any = None, /, **headers: str) -> HttpResponse:
        return self.request("PATCH", path, body, **headers)

    def put(self, path: str, body: Any = None, /, **headers: str) -> HttpResponse:
        return self.request("PUT", path, body, **headers)

    def delete(self, path: str, /, **headers: str) -> HttpResponse:
        return self.request("DELETE", path, **headers)


@pytest.fixture
def caching(monkeypatch: pytest.MonkeyPatch) -> Iterator[CachedRows]:
    """The cache as web processes have it, but that a change is known at once."""
    monkeypatch.setattr(cached_rows, "is_enabled", True)
    monkeypatch.setattr(cached_rows_module, "CHECK_SECONDS", 0.0)
    # Notifications come with a commit, which tests in a transaction do not have.
    monkeypatch.setattr(cached_rows, "_start_listener", lambda: None)
    cached_rows.stop()
    yield cached_rows
    cached_rows.stop()


@pytest.fixture
def project(db: None) -> Project:
    return ready_projects.make("Acme")


@pytest.fixture
def other_project(db: None) -> Project:
    """Another tenant."""
    return ready_projects.make("Other")


@pytest.fixture
def send(project: Project) -> Callable[..., Message]:
    """Accepts one email: `send("a@x.test", "b@x.test", subject="Hi")`."""

    def accept(*to: str, of: Project = project, **values: Any) -> Message:
        usual = {"from_": parse_address("shop@mine.test"), "subject": "Hi", "text": "Hello."}
        addresses = [parse_address(text) for text in to or ("one@rcpt.test",)]
        return services.accept(Delegate(project=of), [Draft(to=addresses, **{**usual, **values})])[0]

    return accept


@pytest.fixture
def make_api(project: Project) -> Callable[..., ApiClient]:
    """Builds clients with a key of their own: `make_api(scopes=["emails:read"])`, `make_api(other_project)`."""

    def build(of: Project = project, **options: Any) -> ApiClient:
        key, token = create_api_key(of, **{"scopes": ALL, **options})
        return ApiClient(token, key)

    return build


@pytest.fixture
def api(make_api: Callable[..., ApiClient]) -> ApiClient:
    """A client of `project` with a live key and all scopes."""
    return make_api()


@pytest.fixture
def api_key(api: ApiClient) -> ApiKey:
    """The key of `api`."""
    assert api.key is not None
    return api.key


@pytest.fixture
def other_api(make_api: Callable[..., ApiClient], other_project: Project) -> ApiClient:
    """A client of another tenant, with all scopes."""
    return make_api(other_project)


@pytest.fixture
def admin_api(db: None) -> ApiClient:
    """A client with a key of the installation, for `/admin/…`."""
    key, token = create_api_key(None, scopes=[ADMIN])
    return ApiClient(token, key)


@pytest.fixture
def anonymous() -> ApiClient:
    """A client without a key."""
    return ApiClient(None)


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A loopback port at which connections are refused for as long as the test runs."""
    with held_port() as port:
        yield port


@pytest.fixture(scope="session")
def dns_server() -> Iterator[DnsServer]:
    with run_dns_server() as server:
        yield server


@pytest.fixture
def zone(dns_server: DnsServer, settings: Any, monkeypatch: pytest.MonkeyPatch) -> DnsServer:
    """A DNS server on loopback that is asked in this test; it knows of nothing but our own name.

    Tracking hosts count as answering: tests/domains/test_tracking_probe.py asks them really.
    """
    monkeypatch.setattr(verification, "probe_host", lambda _host, _resolver: "")
    dns_server.clear()
    settings.DNS_SERVERS = [dns_server.address]
    settings.PUBLIC_URL = "https://mail.service.test"
    dns_server.put("mail.service.test", "A", "192.0.2.25")
    return dns_server
