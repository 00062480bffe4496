"""Mail that is over, as seen from a time after it."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from accounts.models import Project, Retention
from ledger.clock import database_time
from messages.lifetimes import purging
from messages.models import Message, Recipient
from messages.states import Status


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], datetime]:
    """Moves the clock by which data is over: `later(timedelta(days=31))`."""

    def move(by: timedelta) -> datetime:
        now = database_time() + by
        monkeypatch.setattr("accounts.lifetimes.retention.database_time", lambda: now)
        monkeypatch.setattr("messages.lifetimes.purging.database_time", lambda: now)
        return now

    return move


@pytest.fixture
def keep(project: Project) -> Callable[..., Retention]:
    """Sets the project's retention: `keep(bodies=7)`; other kinds are kept for good."""

    def set_days(of: Project = project, **days: int) -> Retention:
        forever: dict[str, Any] = {field.name: None for field in Retention._meta.fields if field.name != "project"}
        return Retention.objects.update_or_create(project=of, defaults=forever | days)[0]

    return set_days


@pytest.fixture
def purge_now() -> Callable[[], int]:
    """What the beat's task does when all projects are due, without rests."""

    def run() -> int:
        purging.execute("UPDATE mail_purgestate SET looked_at = '-infinity'")
        return purging.purge_due(rest=lambda _: None)

    return run


@pytest.fixture
def end() -> Callable[..., Message]:
    """Ends a message: `end(message)`, `end(message, Status.BOUNCED)`."""

    def move(message: Message, status: Status = Status.DELIVERED) -> Message:
        Recipient.objects.filter(message=message).move_to(status)
        message.refresh_from_db()
        return message

    return move
