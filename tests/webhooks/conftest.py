"""A project with an endpoint on loopback, and the posting loop as a worker runs it."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from ipaddress import ip_network
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.models import Project
from tests.webhooks.receiver import Receiver, run_receiver
from tracking.events import Fact, record_facts
from tracking.models import EventType
from webhooks.models import Endpoint, WebhookDelivery
from webhooks.posting.loop import PostingLoop, close_poster
from webhooks.services import add_endpoint


@pytest.fixture(autouse=True)
def _loopback(settings: Any) -> Iterator[None]:
    """Receivers are on loopback; what a worker keeps between tasks must not pass from test to test."""
    settings.WEBHOOK_ALLOWED_NETWORKS = [ip_network("127.0.0.0/8")]
    settings.WEBHOOK_TIMEOUT = timedelta(seconds=1)
    yield
    close_poster()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with run_receiver() as server:
        yield server


@pytest.fixture
def endpoint(project: Project, receiver: Receiver) -> Endpoint:
    return add_endpoint(project, url=receiver.url, events=["*"])


@pytest.fixture
def happen(project: Project) -> Callable[..., UUID]:
    """Something happens to a message of the project; answers its id."""

    def write(*types: EventType, message: UUID | None = None, of: Project = project, **data: object) -> UUID:
        message = message or uuid4()
        with transaction.atomic():
            record_facts(
                [
                    Fact(project_id=of.pk, message_id=message, type=type_, address="one@rcpt.test", data=data)
                    for type_ in types or (EventType.DELIVERED,)
                ]
            )
        return message

    return write


@pytest.fixture
def post() -> Callable[..., None]:
    """One run of the posting loop; `is_later`: when all waits are over."""

    def run(*, is_later: bool = False) -> None:
        if is_later:
            # The database's clock stands still within a test's transaction.
            waiting = WebhookDelivery.objects.filter(next_attempt_at__isnull=False)
            waiting.update(next_attempt_at=timezone.now() - timedelta(days=1))
        PostingLoop().run()

    return run
