"""Beat notes the runs of its tasks."""

import pytest
from django.conf import settings
from django.utils.module_loading import import_string
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from emailsvc.beat_scheduler import Entry, Scheduler
from emailsvc.celery import app
from tests.round_trips import counted_statements

pytestmark = pytest.mark.django_db


def test_a_run_is_noted_by_one_statement_that_leaves_an_operators_change_alone() -> None:
    interval = IntervalSchedule.objects.create(every=10, period="seconds")
    row = PeriodicTask.objects.create(name="example", task="mail.tick", interval=interval)
    entry = next(Entry(row, app=app))
    PeriodicTask.objects.filter(pk=row.pk).update(queue="other", enabled=False)
    with counted_statements() as sent:
        entry.save()
    assert len(sent) == 1
    found = PeriodicTask.objects.get(pk=row.pk)
    assert (found.total_run_count, found.queue, found.enabled) == (1, "other", False)
    assert found.last_run_at is not None
    assert found.last_run_at >= row.date_changed


def test_the_settings_name_this_scheduler() -> None:
    assert import_string(settings.CELERY_BEAT_SCHEDULER.replace(":", ".")) is Scheduler
    assert Scheduler.Entry is Entry
