"""Wake-ups to an absent broker: quick, never an error, and sent again once it is back."""

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Task
from kombu.exceptions import OperationalError

from emailsvc.celery import app
from ledger import doorbell as doorbells
from ledger.doorbell import Doorbell
from ledger.limits import WorkKind, work_of


@pytest.fixture(autouse=True)
def _no_web_process() -> Iterator[None]:
    """Another test may have made this process a web process, whose wake-ups are gathered."""
    with work_of(WorkKind.COMMAND):
        yield


class Recorder:
    """A task that notes that it was sent."""

    name = "mail.example"

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.sent_again = threading.Event()

    def apply_async(self, args: tuple[str], *, queue: str, retry: bool) -> None:
        self.sent.append(queue)
        if len(self.sent) > 1:
            self.sent_again.set()


@pytest.fixture
def task() -> Any:
    return Recorder()


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A server that takes connections and says nothing, as one that was stopped."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def ring_for(port: int, settings: Any, task: Task[Any, Any]) -> Doorbell:
    """A doorbell at that port that has been rung once. Without limits of its own a ring would not come back."""
    settings.REDIS_URL = f"redis://127.0.0.1:{port}"
    doorbell = Doorbell()
    doorbell.ring(task, "normal")
    return doorbell


def test_a_ring_to_a_silent_broker_is_given_up(silent_port: int, settings: Any, task: Any) -> None:
    doorbell = ring_for(silent_port, settings, task)
    assert doorbell.failed_count == 1
    assert task.sent == []


def test_a_ring_to_a_dead_broker_is_given_up(closed_port: int, settings: Any, task: Any) -> None:
    assert ring_for(closed_port, settings, task).failed_count == 1


def test_after_a_failed_wakeup_no_caller_tries_until_the_broker_is_back(
    closed_port: int, settings: Any, task: Any
) -> None:
    doorbell = ring_for(closed_port, settings, task)
    doorbell.ring(task, "normal")
    assert doorbell.failed_count == 1
    doorbell.resume()
    doorbell.ring(task, "normal")
    assert doorbell.failed_count == 2


def test_a_lane_is_rung_for_once_until_it_is_answered(task: Any) -> None:
    doorbell = Doorbell()
    doorbell.answer(task, "normal")
    doorbell.ring(task, "normal")
    doorbell.ring(task, "normal")
    assert task.sent == ["normal"]
    doorbell.answer(task, "normal")
    doorbell.ring(task, "normal")
    assert task.sent == ["normal", "normal"]


def test_rings_of_requests_within_a_moment_are_sent_as_one_more(task: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doorbells, "GATHER_SECONDS", 0.2)
    doorbell = Doorbell()
    doorbell.answer(task, "normal")
    with work_of(WorkKind.WEB):
        doorbell.ring(task, "normal")
        assert task.sent == ["normal"]
        doorbell.answer(task, "normal")
        doorbell.ring(task, "normal")
        doorbell.ring(task, "normal")
    assert task.sent_again.wait(30)
    assert task.sent == ["normal", "normal"]


def test_publishing_to_a_broker_that_died_just_now_is_given_up(closed_port: int) -> None:
    with app.connection_for_write(f"redis://127.0.0.1:{closed_port}") as connection, pytest.raises(OperationalError):
        connection.default_channel  # noqa: B018 - reading it connects
