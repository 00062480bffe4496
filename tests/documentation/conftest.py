"""A running service for the examples of the documentation."""

import logging
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from typing import Any

import pytest

from ledger.shares import ProjectSlots
from messages.sending.worker_state import close_worker_state
from providers.routing.selection import routes
from providers.services import sync_shared_provider
from tests.conftest import ApiClient
from tests.documentation.nursery import NURSERIES
from tests.documentation.world import World
from tests.domains.dns_server import DnsServer, run_dns_server
from tests.smtp_server import SmtpServer
from tracking.feed import stream
from webhooks.posting.loop import close_poster


@pytest.fixture(scope="session")
def relay() -> Iterator[SmtpServer]:
    with SmtpServer() as server:
        yield server


@pytest.fixture(scope="session", autouse=True)
def _nurseries() -> Iterator[None]:
    yield
    for nursery in NURSERIES.values():
        nursery.close()


@pytest.fixture(scope="session")
def dns() -> Iterator[DnsServer]:
    with run_dns_server() as server:
        yield server


@pytest.fixture
def world(
    live_server: Any,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    make_api: Callable[..., ApiClient],
    relay: SmtpServer,
    dns: DnsServer,
) -> Iterator[World]:
    """A project whose mail goes to a server that takes everything, on a service that listens."""
    settings.PUBLIC_URL = live_server.url
    settings.DNS_SERVERS = [dns.address]
    settings.WEBHOOK_ALLOWED_NETWORKS = settings.PROVIDER_ALLOWED_NETWORKS = [ip_network("127.0.0.0/8")]
    # One example after the other leaves a stream, which the server notices at its next word.
    monkeypatch.setattr(stream, "slots", ProjectSlots(20, 20))
    monkeypatch.setattr(stream, "BREATH_SECONDS", 0.2)
    # A 404 or 422 that an example is about is no warning.
    logging.getLogger("django.request").setLevel(logging.ERROR)
    routes.forget()
    sync_shared_provider(f"inbox://127.0.0.1:{relay.port}")
    yield World(api=make_api(), relay=relay)
    close_poster()
    close_worker_state()
    routes.forget()
