"""Beat's schedule in the database, where operators see and change it, with few statements."""

import time

import structlog
from celery import schedules
from django.db import DatabaseError, InterfaceError, close_old_connections
from django.db.models import QuerySet
from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler, ModelEntry

from ledger.sql import execute

log = structlog.get_logger(__name__)

# How soon an operator's change of the schedule counts. The library looks at each step, some three times a second.
LOOK_SECONDS = 5.0
# How old the noted runs may be: the admin and the probe read them to see whether beat is alive, which ticks every 30 s.
NOTE_SECONDS = 10
_NOTE = """
UPDATE django_celery_beat_periodictask AS task SET last_run_at = run.ran_at, total_run_count = run.run_count
FROM unnest(%s::int[], %s::timestamptz[], %s::int[]) AS run (id, ran_at, run_count) WHERE task.id = run.id
"""


class Entry(ModelEntry):  # type: ignore[misc]
    """A task that runs at whole seconds, if its interval has whole ones: all that are due in the same second are
    sent in one wake-up, and a late run does not delay those after it.
    """

    def is_due(self) -> schedules.schedstate:
        is_due, seconds = super().is_due()
        if is_due and self._has_whole_seconds():
            seconds = max(seconds - self._default_now().microsecond / 1e6, 0.0)
        return schedules.schedstate(is_due, seconds)

    def __next__(self) -> "Entry":
        following: Entry = super().__next__()
        if following._has_whole_seconds():
            # Solar times would be found again before their own time, intervals with parts of a second too often.
            following.last_run_at = following.model.last_run_at = following.last_run_at.replace(microsecond=0)
        return following

    def _has_whole_seconds(self) -> bool:
        schedule = self.schedule
        return type(schedule) is schedules.schedule and schedule.seconds >= 1 and schedule.seconds % 1 == 0


class Scheduler(DatabaseScheduler):  # type: ignore[misc]
    """The library's, which asks and writes less."""

    Entry = Entry
    sync_every = NOTE_SECONDS
    _looked_at = float("-inf")
    # The names of those that ran since; the library fills it.
    _dirty: set[str]

    def schedule_changed(self) -> bool:
        """Whether somebody changed the schedule, looked up once in LOOK_SECONDS."""
        now = time.monotonic()
        if now < self._looked_at + LOOK_SECONDS:
            return False
        self._looked_at = now
        return bool(super().schedule_changed())

    def adjust(self, n: float, drift: float = 0.0) -> float:
        """The seconds until a task is looked at.

        The library takes ten milliseconds off, and then looks without a pause, a hundred times, until it is due.
        """
        return float(super().adjust(n, drift))

    def enabled_models_qs(self) -> "QuerySet[PeriodicTask]":
        """All tasks that are switched on.

        The library leaves out those by the clock that are hours away, by a query with a branch for each time zone. To
        make it takes 9 MB, and it matters to thousands of tasks.
        """
        kinds = ("interval", "crontab", "solar", "clocked")
        found: QuerySet[PeriodicTask] = PeriodicTask.objects.filter(enabled=True).select_related(*kinds)
        return found

    def sync(self) -> None:
        """Note the last runs, by one statement.

        The library reads each row again, looks for others like it, and writes all of its columns: four statements for
        each run, and a change that an operator made meanwhile is undone.
        """
        names, self._dirty = self._dirty, set()
        entries = self._schedule or {}
        ran: list[PeriodicTask] = [entries[name].model for name in names if name in entries]
        if not ran:
            return
        columns = [(task.pk, task.last_run_at, task.total_run_count) for task in ran]
        try:
            close_old_connections()
            execute(_NOTE, [list(column) for column in zip(*columns, strict=True)])
        except (DatabaseError, InterfaceError) as error:
            log.warning("runs_not_noted", error=type(error).__name__)
            self._dirty |= names
