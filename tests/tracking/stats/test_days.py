"""Rollups of days are the sums of their hours, whoever counted those."""

from datetime import UTC, datetime, timedelta
from itertools import product
from random import Random
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import Project
from accounts.services import create_project
from messages.models import Message
from tests.tracking.stories import accept_some, let_happen
from tracking.models import Rollup, StatsCursor
from tracking.stats import days
from tracking.stats.aggregation import aggregate, aggregate_all, complete_days
from tracking.stats.days import ALWAYS, Span, cover
from tracking.stats.rebuild import rebuild
from tracking.stats.report import StatsRequest, StatsStep, count_groups, count_lines, count_mail

pytestmark = pytest.mark.django_db(transaction=True)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
TODAY = timezone.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


@pytest.fixture(autouse=True)
def _environment(settings):
    settings.TRUSTED_SENDER_DOMAINS = ["*"]


@pytest.fixture
def project() -> Project:
    return create_project(name="Acme")


def tell_stories(project: Project, seed: int) -> None:
    """Mail of four days, of which some is accepted in each hour around midnight."""
    random = Random(seed)
    messages = accept_some(project, random, 12)
    for message in messages:
        at = TODAY - random.randint(1, 4) * DAY + random.randint(-2, 2) * HOUR + MINUTE
        Message.objects.filter(pk=message.pk).update(created_at=at, is_test=False)
    let_happen(messages, random, 60)


def sum_hours() -> dict[tuple[Any, ...], list[Any]]:
    """What the days have to be: their counters and numbers of durations."""
    return sum_rows("date_trunc('day', starts_at, 'UTC')", "'day:' || dimension", "NOT")


def read_days() -> dict[tuple[Any, ...], list[Any]]:
    return sum_rows("starts_at", "dimension", "")


def sum_rows(begin: str, dimension: str, negation: str) -> dict[tuple[Any, ...], list[Any]]:
    measured = "(SELECT COALESCE(sum(c::int), 0) FROM jsonb_each_text({}) AS slots(s, c) WHERE s <> '')"
    sums = ", ".join(f"sum({name})" for name in (*COUNTED, measured.format("handoff"), measured.format("delivery")))
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT project_id, {dimension}, {begin}, value, {sums} FROM tracking_rollup"
            f" WHERE {negation} starts_with(dimension, 'day:') GROUP BY 1, 2, 3, 4"
        )
        return {tuple(row[:4]): list(row[4:]) for row in cursor}


COUNTED = ("emails", "accepted", "sent", "delivered", "bounced", "failed", "opens", "clicked")


def test_days_are_the_sums_of_their_hours(project):
    tell_stories(project, 1)
    while aggregate(project.pk, batch=60):
        assert read_days() == sum_hours()
    assert len({key[2] for key in read_days()}) > 3
    assert StatsCursor.objects.get().days_since == ALWAYS
    assert complete_days(MINUTE) == 0
    list(rebuild(project.pk))
    assert read_days() == sum_hours()


def test_hours_of_an_older_release_become_days_afterwards(project):
    tell_stories(project, 3)
    other = create_project(name="Other")
    tell_stories(other, 4)
    aggregate_all(MINUTE)
    right = read_days()
    # An older release has neither; what it counted beside a newer one, the place in the feed tells.
    Rollup.objects.filter(dimension__startswith="day:").delete()
    StatsCursor.objects.filter(project=project).update(days_since=None, days_position=None, days_serial=None)
    StatsCursor.objects.filter(project=other).update(days_serial=0)
    assert complete_days(MINUTE) > 6
    assert read_days() == right == sum_hours()
    assert [cursor.days_since for cursor in StatsCursor.objects.all()] == [ALWAYS, ALWAYS]


def test_late_facts_reach_only_days_that_are_whole(project):
    tell_stories(project, 5)
    aggregate_all(MINUTE)
    StatsCursor.objects.update(days_since=None)
    Rollup.objects.filter(dimension__startswith="day:").update(delivered=1_000)
    let_happen(list(project.messages.all()), Random(6), 60)
    aggregate_all(MINUTE)
    assert read_days() != sum_hours()
    assert StatsCursor.objects.get().days_since == TODAY + DAY
    assert complete_days(MINUTE) > 3
    assert read_days() == sum_hours()


def test_reports_are_the_same_from_hours_and_from_days(project, monkeypatch):
    tell_stories(project, 7)
    aggregate_all(MINUTE)
    common = days._COMMON
    for step, dimension in product(StatsStep, ("all", "stream", "tag")):
        begin = TODAY - 4 * DAY - (HOUR if step is StatsStep.HOUR else DAY)
        question = StatsRequest(
            project_ids=[project.pk], begins_at=begin, ends_at=TODAY + DAY, step=step, dimension=dimension
        )
        spans = cover([project.pk], Span(dimension, begin, question.ends_at))
        assert len(spans) == (2 if step is StatsStep.HOUR else 1)
        from_days = (count_mail(question), count_groups(question), count_lines(question, ["", "order"], "accepted"))
        monkeypatch.setattr(days, "_COMMON", "SELECT %s FROM (SELECT %s::uuid[]) AS none")
        from_hours = (count_mail(question), count_groups(question), count_lines(question, ["", "order"], "accepted"))
        assert from_days == from_hours
        totals = from_days[0].totals
        assert [row.counters for row in from_days[1]] == [row.counters for row in totals]
        assert totals[0].counters.counts[0] > 0
        monkeypatch.setattr(days, "_COMMON", common)


def test_a_range_is_covered_by_days_where_they_are_whole(project):
    at = datetime(2026, 3, 10, 15, tzinfo=UTC)
    whole = Span("tag", at, at + 3 * DAY)
    # Nothing is counted yet.
    assert cover([project.pk], whole) == [whole]
    place = {"position": 4, "serial": 5, "counted_at": at, "days_position": 4, "days_serial": 5}
    StatsCursor.objects.create(project=project, days_since=ALWAYS, **place)
    midnight = at + 9 * HOUR
    assert cover([project.pk], whole) == [
        Span("tag", at, midnight),
        Span("day:tag", midnight, midnight + 2 * DAY),
        Span("tag", midnight + 2 * DAY, at + 3 * DAY),
    ]
    assert cover([project.pk], Span("tag", midnight, midnight + DAY)) == [Span("day:tag", midnight, midnight + DAY)]
    assert cover([project.pk], Span("tag", at, at + 12 * HOUR)) == [Span("tag", at, at + 12 * HOUR)]
    StatsCursor.objects.create(project=create_project(name="Other"), **(place | {"days_since": midnight + DAY}))
    both = list(StatsCursor.objects.values_list("project_id", flat=True))
    assert cover(both, whole)[0] == Span("tag", at, midnight + DAY)
    StatsCursor.objects.update(serial=6)
    assert cover(both, whole) == [whole]
