"""Beat reads its schedule and notes the runs of its tasks with few statements."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings
from django.utils import timezone
from django.utils.module_loading import import_string
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask, PeriodicTasks
from django_celery_beat.schedulers import ModelEntry

from emailsvc import beat_scheduler
from emailsvc.beat_scheduler import LOOK_SECONDS, Scheduler
from emailsvc.celery import app
from tests.round_trips import counted_statements

# Beat closes old connections between its statements: none may be in a transaction.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def scheduler() -> Iterator[Scheduler]:
    interval = IntervalSchedule.objects.create(every=10, period="seconds")
    for name in ("first", "second"):
        PeriodicTask.objects.create(name=name, task="mail.tick", interval=interval)
    made = Scheduler(app=app, lazy=True)
    yield made
    # It would sync when it is collected, in another test.
    made._finalize.cancel()


def test_runs_are_noted_by_one_statement_that_leaves_an_operators_change_alone(scheduler: Scheduler) -> None:
    started_at = timezone.now().replace(microsecond=0)
    for name in ("first", "second", "first"):
        scheduler.reserve(scheduler.schedule[name])
    PeriodicTask.objects.filter(name="first").update(queue="other", enabled=False)
    with counted_statements() as sent:
        scheduler.sync()
        scheduler.sync()
    assert len(sent) == 1
    first, second = PeriodicTask.objects.order_by("name")
    assert (first.total_run_count, first.queue, first.enabled) == (2, "other", False)
    assert second.total_run_count == 1
    assert started_at <= second.last_run_at <= first.last_run_at


def test_runs_that_could_not_be_noted_are_noted_later(scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    scheduler.reserve(scheduler.schedule["first"])
    with monkeypatch.context() as broken:
        broken.setattr(beat_scheduler, "_NOTE", "SELECT 1/0, %s, %s, %s")
        scheduler.sync()
    scheduler.sync()
    assert PeriodicTask.objects.get(name="first").total_run_count == 1


def test_a_change_is_looked_for_once_in_a_while(scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(beat_scheduler.time, "monotonic", lambda: now)
    assert not scheduler.schedule_changed()
    PeriodicTasks.update_changed()
    with counted_statements() as sent:
        assert not scheduler.schedule_changed()
    assert sent == []
    now += LOOK_SECONDS
    assert scheduler.schedule_changed()


def test_tasks_of_every_kind_are_read_by_one_statement_if_they_are_switched_on(scheduler: Scheduler) -> None:
    schedule, _ = CrontabSchedule.objects.get_or_create(minute="0", hour="3")
    PeriodicTask.objects.create(name="nightly", task="mail.tick", crontab=schedule)
    PeriodicTask.objects.create(name="switched off", task="mail.tick", crontab=schedule, enabled=False)
    with counted_statements() as sent:
        found = scheduler.all_as_schedule()
    assert len(sent) == 1
    assert found["nightly"].schedule.hour == {3}
    assert "switched off" not in found


def test_runs_of_intervals_are_at_whole_seconds(scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    ran_at = datetime(2030, 1, 1, 12, 0, 10, 250_000, tzinfo=UTC)
    monkeypatch.setattr(ModelEntry, "_default_now", lambda _entry: ran_at)
    entry = scheduler.schedule["first"]
    monkeypatch.setattr(entry.schedule, "nowfun", lambda: ran_at)
    entry.last_run_at = ran_at.replace(second=0, microsecond=0)
    assert entry.is_due() == (True, 9.75)
    following = next(entry)
    assert following.last_run_at == following.model.last_run_at == ran_at.replace(microsecond=0)
    monkeypatch.setattr(following.schedule, "nowfun", lambda: ran_at)
    assert following.is_due() == (False, 9.75)


def test_shorter_and_other_schedules_keep_their_own_times(scheduler: Scheduler) -> None:
    quick, odd = (IntervalSchedule.objects.create(every=n, period="microseconds") for n in (200_000, 1_500_000))
    daily, _ = CrontabSchedule.objects.get_or_create(minute="0", hour="3")
    PeriodicTask.objects.create(name="quick", task="mail.tick", interval=quick)
    PeriodicTask.objects.create(name="odd", task="mail.tick", interval=odd)
    PeriodicTask.objects.create(name="daily", task="mail.tick", crontab=daily)
    found = scheduler.all_as_schedule()
    for name in ("quick", "odd", "daily"):
        before = timezone.now()
        following = next(found[name])
        assert before <= following.last_run_at <= timezone.now()
        assert not following.is_due().is_due


def test_a_task_is_looked_at_once_before_it_is_sent(scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    monkeypatch.setattr(app.amqp, "send_task_message", lambda _producer, name, *_, **__: sent.append(name))
    now = timezone.now()
    for entry in scheduler.schedule.values():
        entry.last_run_at = now - timedelta(seconds=9.9)
    scheduler.populate_heap()
    pauses = [scheduler.tick()]
    time.sleep(pauses[0])
    pauses += [scheduler.tick() for _ in range(3)]
    assert sent == ["mail.tick"] * 2
    assert 0 < pauses[0] <= 0.1
    assert pauses[1:3] == [0, 0]
    assert pauses[3] > 1


def test_the_settings_name_this_scheduler() -> None:
    assert import_string(settings.CELERY_BEAT_SCHEDULER.replace(":", ".")) is Scheduler
