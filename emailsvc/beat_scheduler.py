"""Beat's schedule in the database, where operators see and change it; each run is noted by one statement."""

from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler, ModelEntry


class Entry(ModelEntry):  # type: ignore[misc]
    """A periodic task."""

    def save(self) -> None:
        """Note the last run.

        The library reads the row again, looks for others like it, and writes all of its columns: four statements for
        each of 40 runs a minute, and a change that an operator made meanwhile is undone.
        """
        PeriodicTask.objects.filter(pk=self.model.pk).update(
            last_run_at=self.model.last_run_at, total_run_count=self.model.total_run_count
        )


class Scheduler(DatabaseScheduler):  # type: ignore[misc]
    """The library's, with entries of our own."""

    Entry = Entry
