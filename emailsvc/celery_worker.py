"""Code that workers and beat load beside the tasks: the periodic schedule, each worker's timer, and a child's exit."""

import gc
import os
import signal
import sys
from typing import Any

from celery import current_task
from celery.signals import (
    beat_init,
    setup_logging,
    task_failure,
    task_postrun,
    task_prerun,
    worker_process_init,
    worker_process_shutdown,
    worker_ready,
    worker_shutdown,
)
from django.db import connection

import domains.tasks
import gateways.tasks
import messages.notices.tasks
import messages.tasks
import tracking.tasks
import webhooks.tasks
from emailsvc.celery import app
from emailsvc.embedded.parent_death import die_with_parent
from ledger.limits import WorkKind, set_process_kind
from ledger.telemetry.families import TASKS_FAILED
from ledger.telemetry.gathering import gatherer
from ledger.timer import Timer
from messages.sending.worker_state import close_worker_state
from webhooks.posting.loop import close_poster

# Beat copies these into django-celery-beat's tables when it starts; operators see and change them there.
app.conf.beat_schedule = {
    task.name: {"task": task.name, "schedule": every}
    for tasks in (
        webhooks.tasks,
        domains.tasks,
        messages.tasks,
        messages.notices.tasks,
        tracking.tasks,
        gateways.tasks,
    )
    for task, every in tasks.SCHEDULE
}


def tick() -> None:
    """Work that becomes due by time. Each part runs even if the other fails."""
    try:
        messages.tasks.tick()
    finally:
        webhooks.tasks.tick()


timer = Timer(tick)


# All others are clean-ups: some go through large tables.
KINDS = {
    messages.tasks.deliver_due.name: WorkKind.SENDING,
    webhooks.tasks.post_due.name: WorkKind.SENDING,
    messages.tasks.tick.name: WorkKind.TICK,
    webhooks.tasks.tick.name: WorkKind.TICK,
}


@task_prerun.connect
def check_connection(**_: Any) -> None:
    """Close a connection that an earlier task left broken, or that is old."""
    connection.close_if_unusable_or_obsolete()


@task_prerun.connect
def limit_database_time(task: Any, **_: Any) -> None:
    """A child runs one task at a time; the threads that help it have its limits too."""
    set_process_kind(KINDS.get(task.name, WorkKind.COMMAND))


@setup_logging.connect
def keep_logging(**_: Any) -> None:
    """The settings have configured logging; Celery leaves logging alone if this signal has a receiver."""


@worker_ready.connect
def start_timer(sender: Any = None, **_: Any) -> None:
    timer.start(getattr(sender, "hostname", ""))


@worker_ready.connect
@beat_init.connect
def end_soon(**_: Any) -> None:
    """Leave what the process started with to the kernel: collecting it at the end took a second of a processor."""
    gc.freeze()


@worker_shutdown.connect
def stop_timer(**_: Any) -> None:
    timer.stop()


@worker_process_init.connect
def leave_shared_objects_alone(**_: Any) -> None:
    """A full collection writes to each object that it looks at: of those from before the fork, which parent and child
    share, it made 30 MB of the child's own, in 0.14 s.
    """
    gc.freeze()


class Orphan:
    """Ends a child whose worker has ended, even by SIGKILL: at once, or after the task that it runs.

    Celery's children read it from the end of a pipe, which does not come while a sibling holds its other end.
    """

    def __init__(self) -> None:
        self.is_known = False

    def note(self, *_: Any) -> None:
        self.is_known = True
        if not current_task:
            self.end()

    def end(self, **_: Any) -> None:
        if self.is_known:
            close_lines()
            os._exit(0)


orphan = Orphan()
task_postrun.connect(orphan.end)


@worker_process_init.connect
def end_with_worker(**_: Any) -> None:
    signal.signal(signal.SIGUSR2, orphan.note)
    die_with_parent(os.getppid(), signal.SIGUSR2)


@worker_process_init.connect
def switch_threads_often(**_: Any) -> None:
    """SMTP connections wait for the interpreter's lock behind the composing thread: the default of 5 ms is too long."""
    sys.setswitchinterval(0.0005)


@worker_process_shutdown.connect
def close_lines(**_: Any) -> None:
    close_worker_state()
    close_poster()
    gatherer.write()


@task_failure.connect
def count_failure(sender: Any = None, **_: Any) -> None:
    TASKS_FAILED.add(sender.name)
