"""What workers and beat do beside the tasks."""

import gc
import signal
import sys
from collections.abc import Iterator

import pytest
from celery.signals import beat_init, worker_process_init, worker_ready
from celery.utils.dispatch import Signal

import emailsvc.celery_worker
from ledger.timer import Timer


@pytest.fixture(autouse=True)
def _no_clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(emailsvc.celery_worker, "timer", Timer(lambda: None))
    # This process is no worker's child, and tells the kernel nothing.
    monkeypatch.setattr(emailsvc.celery_worker, "die_with_parent", lambda *_: None)
    handler = signal.getsignal(signal.SIGUSR2)
    interval = sys.getswitchinterval()
    yield
    sys.setswitchinterval(interval)
    signal.signal(signal.SIGUSR2, handler)
    emailsvc.celery_worker.timer.stop()
    gc.unfreeze()


@pytest.mark.parametrize("signal", [worker_ready, beat_init, worker_process_init])
def test_what_a_program_started_with_is_not_collected(signal: Signal) -> None:
    gc.unfreeze()
    signal.send(sender=None)
    assert gc.get_freeze_count() > 10_000


def test_a_child_without_its_worker_ends_between_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    ends: list[int] = []
    monkeypatch.setattr("emailsvc.celery_worker.os._exit", ends.append)
    orphan = emailsvc.celery_worker.Orphan()
    orphan.end()
    assert ends == [], "its worker runs"
    with monkeypatch.context() as within:
        within.setattr(emailsvc.celery_worker, "current_task", "a task runs")
        orphan.note(signal.SIGUSR2, None)
        assert ends == [], "its task goes on"
        orphan.end()
        assert ends == [0], "its task has ended"
    orphan.note(signal.SIGUSR2, None)
    assert ends == [0, 0], "it has no task"
