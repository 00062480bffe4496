"""What workers and beat do beside the tasks."""

import gc
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
    interval = sys.getswitchinterval()
    yield
    sys.setswitchinterval(interval)
    emailsvc.celery_worker.timer.stop()
    gc.unfreeze()


@pytest.mark.parametrize("signal", [worker_ready, beat_init, worker_process_init])
def test_what_a_program_started_with_is_not_collected(signal: Signal) -> None:
    gc.unfreeze()
    signal.send(sender=None)
    assert gc.get_freeze_count() > 10_000
