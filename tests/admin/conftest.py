"""Staff users, and mail for their pages."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client

from messages.sending.loop import SendingLoop
from messages.sending.worker_state import close_worker_state
from messages.states import Lane
from providers.routing.selection import routes
from providers.services import sync_shared_provider
from tests.admin.people import superuser, support
from tests.smtp_server import SmtpServer


@pytest.fixture(autouse=True)
def _fresh_process(settings: Any) -> Iterator[None]:
    """What a worker child remembers between tasks must not pass from test to test."""
    settings.TRUSTED_SENDER_DOMAINS = ["mine.test"]
    routes.forget()
    yield
    close_worker_state()


@pytest.fixture
def root(db: None) -> Client:
    return superuser()


@pytest.fixture
def sue(db: None) -> Client:
    """A member of the group Support."""
    return support()


@pytest.fixture
def server(db: None) -> Iterator[SmtpServer]:
    """A server that stands for every recipient's own: its 250 is a delivery."""
    with SmtpServer() as running:
        sync_shared_provider(f"inbox://127.0.0.1:{running.port}")
        yield running


@pytest.fixture
def deliver() -> Callable[[], None]:
    """One run of the sending loop, as a worker does it."""
    return lambda: SendingLoop(Lane.NORMAL, lambda: None).run()
