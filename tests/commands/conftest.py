"""A project with mail for the commands."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import transaction

from messages.models import Message
from messages.states import Status, StatusReason
from providers.routing.selection import routes


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[None]:
    # Commands close their database connections at the end, and with them a test's transaction.
    monkeypatch.setattr("django.core.management.base.connections.close_all", lambda: None)
    settings.TRUSTED_SENDER_DOMAINS = ["mine.test"]
    routes.forget()
    yield
    routes.forget()


@pytest.fixture
def bounce() -> Callable[[Message], Message]:
    def move(message: Message) -> Message:
        with transaction.atomic():
            message.recipients.all().move_to(Status.BOUNCED, StatusReason.REFUSED)
        message.refresh_from_db()
        return message

    return move
