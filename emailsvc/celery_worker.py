"""What workers and beat load beside the tasks: the periodic schedule, a clock of their own, and the end of a child."""

import gc
import sys
from typing import Any

from celery.signals import (
    beat_init,
    setup_logging,
    worker_process_init,
    worker_process_shutdown,
    worker_ready,
    worker_shutdown,
)

import domains.tasks
import messages.notices.tasks
import messages.tasks
import tracking.tasks
import webhooks.tasks
from emailsvc.celery import app
from ledger.timer import Timer
from messages.sending.worker_state import close_worker_state
from webhooks.posting.loop import close_poster

# Beat writes these into django-celery-beat's tables at its start, where operators see and change them.
app.conf.beat_schedule = {
    task.name: {"task": task.name, "schedule": every}
    for tasks in (webhooks.tasks, domains.tasks, messages.tasks, messages.notices.tasks, tracking.tasks)
    for task, every in tasks.SCHEDULE
}


def tick() -> None:
    """What time alone makes due. The one is done whatever becomes of the other."""
    try:
        messages.tasks.tick()
    finally:
        webhooks.tasks.tick()


timer = Timer(tick)


@setup_logging.connect
def keep_logging(**_: Any) -> None:
    """Settings have set logging up; Celery leaves it alone where this signal has a receiver."""


@worker_ready.connect
def start_timer(**_: Any) -> None:
    timer.start()


@worker_ready.connect
@beat_init.connect
def end_soon(**_: Any) -> None:
    """Leave what the process started with to the kernel: collecting it at the end took a second of a processor."""
    gc.freeze()


@worker_shutdown.connect
def stop_timer(**_: Any) -> None:
    timer.stop()


@worker_process_init.connect
def switch_threads_often(**_: Any) -> None:
    """Conversations wait for the interpreter's lock behind the composing thread: the default 5 ms is an age to them."""
    sys.setswitchinterval(0.0005)


@worker_process_shutdown.connect
def close_lines(**_: Any) -> None:
    close_worker_state()
    close_poster()
