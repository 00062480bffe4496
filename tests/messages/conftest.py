"""A project whose mail goes to a scripted SMTP server, and one run over the due rows."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.acting_for import Delegate
from accounts.models import ApiKey
from common.addresses import parse_address
from delivery.simulator.script import DOMAIN as SIMULATED_DOMAIN
from messages import services
from messages.accepting.draft import Draft
from messages.models import Message, Recipient
from messages.sending.loop import SendingLoop
from messages.sending.worker_state import close_worker_state
from messages.states import Lane
from providers.routing.selection import routes
from providers.services import sync_shared_provider
from tests.smtp_server import Script, SmtpServer


@pytest.fixture(autouse=True)
def _fresh_process(settings: Any) -> Iterator[None]:
    """What a worker child remembers between tasks must not pass from test to test."""
    settings.TRUSTED_SENDER_DOMAINS = ["mine.test"]
    routes.forget()
    yield
    close_worker_state()


@pytest.fixture
def inbox(db: None) -> Iterator[SmtpServer]:
    """A server that stands for every recipient's own: its 250 is a delivery."""
    with SmtpServer() as server:
        sync_shared_provider(f"inbox://127.0.0.1:{server.port}")
        yield server


@pytest.fixture
def send(api_key: ApiKey) -> Callable[..., Message]:
    """Accepts one email: `send(to=["a@x.test"], subject="Hi")`; one to the simulator as with a test key."""

    def accept(to: list[str] | None = None, **values: object) -> Message:
        usual = {"from_": parse_address("shop@mine.test"), "subject": "Hi", "text": "Hello."}
        addresses = [parse_address(text) for text in to or ["one@rcpt.test"]]
        is_test = any(address.domain == SIMULATED_DOMAIN for address in addresses)
        caller = Delegate(project=api_key.project, is_test=True) if is_test else api_key
        return services.accept(caller, [Draft(to=addresses, **{**usual, **values})])[0]

    return accept


@pytest.fixture
def deliver() -> Callable[..., None]:
    """One run of the sending loop, as a worker does it; `is_later`: when all waits are over."""

    def run(lane: Lane = Lane.NORMAL, *, is_later: bool = False) -> None:
        if is_later:
            # Retries are due by now. The database's clock stands still within a test's transaction.
            waiting = Recipient.objects.filter(next_attempt_at__isnull=False)
            waiting.update(next_attempt_at=timezone.now() - timedelta(days=1))
        SendingLoop(lane, lambda: None).run()

    return run


@pytest.fixture
def make_inbox(db: None) -> Iterator[Callable[..., SmtpServer]]:
    """An inbox that answers by script: `make_inbox(RCPT=["550 5.1.1 who?"])`."""
    with ExitStack() as stack:

        def make(**replies: Any) -> SmtpServer:
            server = stack.enter_context(SmtpServer(Script(replies=replies)))
            sync_shared_provider(f"inbox://127.0.0.1:{server.port}")
            return server

        yield make
