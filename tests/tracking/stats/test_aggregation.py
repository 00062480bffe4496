"""Rollups equal a count of the rows, with any number, delay and size of aggregation runs."""

import threading
from datetime import timedelta
from random import Random

import pytest
from django.db import connection, transaction
from django.utils import timezone

from accounts.models import Project
from accounts.services import create_project
from messages.models import Message
from providers.models import Provider
from tests.commands.running import run
from tests.feed_settling import settle
from tests.tracking.stories import accept_some, count_rows, let_happen, read_figures, read_rollups, tell
from tracking.models import EventType, Rollup, StatsCursor
from tracking.stats import rollups
from tracking.stats.aggregation import aggregate, aggregate_all
from tracking.stats.rebuild import rebuild
from tracking.tasks import fold_stats

pytestmark = pytest.mark.django_db(transaction=True)
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def _environment(settings, monkeypatch):
    settings.TRUSTED_SENDER_DOMAINS = ["*"]
    # Commands close their database connections at the end.
    monkeypatch.setattr("django.core.management.base.connections.close_all", lambda: None)


@pytest.fixture
def project() -> Project:
    return create_project(name="Acme")


@pytest.mark.parametrize("seed", range(3))
def test_rollups_equal_a_count_of_the_rows(project, seed):
    random = Random(seed)
    messages = []
    for _ in range(4):
        messages += accept_some(project, random, 8)
        let_happen(messages, random, 60)
        while aggregate(project.pk, batch=random.choice((1, 3, 17, 2000))):
            pass
    assert read_figures(project) == count_rows(project)
    before = read_rollups(project)
    assert before
    list(rebuild(project.pk))
    assert read_rollups(project) == before


def test_counting_again_changes_nothing(project):
    random = Random(1)
    let_happen(accept_some(project, random, 5), random, 20)
    assert aggregate_all(MINUTE) > 20
    before = read_rollups(project)
    fold_stats()
    assert (aggregate_all(MINUTE), read_rollups(project)) == (0, before)
    assert StatsCursor.objects.get().counted_at is not None


def test_two_at_once_count_nothing_twice(project):
    random = Random(2)
    let_happen(accept_some(project, random, 20), random, 200)

    def work() -> None:
        for _ in range(200):
            aggregate(project.pk, batch=5)
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    aggregate_all(MINUTE)
    assert read_figures(project) == count_rows(project)


def test_while_one_counts_another_leaves_it_to_him(project):
    accept_some(project, Random(3), 3)
    done = []

    def work() -> None:
        done.append(aggregate(project.pk))
        connection.close()

    with transaction.atomic():
        assert aggregate(project.pk) > 0
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert (done, aggregate(project.pk)) == ([0], 0)


def test_what_breaks_off_is_counted_the_next_time(project):
    accept_some(project, Random(4), 3)
    with transaction.atomic():
        assert aggregate(project.pk) > 0
        transaction.set_rollback(True)
    assert not Rollup.objects.exists()
    aggregate_all(MINUTE)
    assert read_figures(project) == count_rows(project)


def test_late_facts_count_in_the_hour_of_acceptance(project):
    (message,) = accept_some(project, Random(11), 1)
    past = (timezone.now() - timedelta(days=9)).replace(minute=30)
    Message.objects.update(created_at=past, is_test=False)
    recipient = message.recipients.first().pk
    for type_ in (EventType.DELIVERED, EventType.BOUNCED, EventType.CLICKED_SETTLED):
        tell(message, recipient, type_, actor="human")
        settle()
        aggregate_all(MINUTE)
    row = Rollup.objects.get(dimension="all")
    assert row.starts_at == past.replace(minute=0, second=0, microsecond=0)
    assert (row.delivered, row.bounced, row.bounced_late, row.clicked) == (1, 1, 1, 1)


def test_mailbox_providers_are_known_by_the_first_exchanger_of_direct_mail(project):
    (message,) = accept_some(project, Random(11), 1)
    recipient = message.recipients.first()
    Message.objects.update(is_test=False)
    relay, direct = (Provider.objects.create(name=kind, kind=kind) for kind in ("smtp", "mx"))
    hosts = (
        (relay, "relay.test:587"),
        (direct, ""),
        (direct, "mx1.eu.bigmail.test[192.0.2.1]:25"),
        (direct, "mx.else.test"),
    )
    for number, (provider, host) in enumerate(hosts):
        attempt = {"number": number, "provider": provider, "remote_host": host, "phase": "started"}
        recipient.attempts.create(**attempt, lease_token=recipient.pk, claimed_at=timezone.now(), project=project)
    tell(message, recipient.pk, EventType.DELIVERED)
    settle()
    aggregate_all(MINUTE)
    row = Rollup.objects.get(dimension="mailbox_provider")
    assert (row.value, row.delivered) == ("bigmail.test", 1)


def test_mailbox_providers_beyond_the_limit_are_one_row(project, monkeypatch):
    monkeypatch.setattr(rollups, "MAX_MAILBOX_PROVIDERS", 2)
    messages = accept_some(project, Random(7), 12)
    Message.objects.update(created_at=timezone.now(), is_test=False)
    for message in messages:
        for recipient in message.recipients.order_by("position"):
            tell(message, recipient.pk, EventType.DELIVERED)
    settle()
    aggregate_all(MINUTE)
    values = Rollup.objects.filter(dimension="mailbox_provider").values_list("value", flat=True)
    assert sorted(values, key=str) == ["0.rcpt.test", "1.rcpt.test", None]


def test_mail_of_test_keys_is_not_counted(project):
    messages = accept_some(project, Random(5), 4)
    Message.objects.update(is_test=True)
    let_happen(messages, Random(5), 10)
    assert aggregate_all(MINUTE) > 4
    assert not Rollup.objects.exists()


def test_projects_are_counted_apart(project):
    other = create_project(name="Other")
    for each, count in ((project, 3), (other, 5)):
        accept_some(each, Random(6), count)
    aggregate_all(MINUTE)
    for each in (project, other):
        assert read_figures(each) == count_rows(each)


def test_faulty_rows_of_one_project_do_not_block_others(project):
    other = create_project(name="Other")
    hour = timezone.now()
    for each in (project, other):
        accept_some(each, Random(6), 3)
    Message.objects.update(created_at=hour)
    aggregate_all(MINUTE)
    # No figure has room for more.
    Rollup.objects.filter(project=project, dimension="all").update(emails=2**31 - 1)
    before = read_rollups(project)
    for each in (project, other):
        accept_some(each, Random(12), 5)
    Message.objects.update(created_at=hour)
    aggregate_all(MINUTE)
    assert read_figures(other) == count_rows(other)
    assert read_rollups(project) == before
    list(rebuild(project.pk))
    aggregate_all(MINUTE)
    assert read_figures(project) == count_rows(project)


def test_a_tag_for_each_email_makes_no_row_for_each(project, monkeypatch):
    monkeypatch.setattr(rollups, "MAX_VALUES", 3)
    messages = accept_some(project, Random(7), 12)
    for number, message in enumerate(messages):
        Message.objects.filter(pk=message.pk).update(
            tags=[f"order-{number}", "all"], created_at=timezone.now(), is_test=False
        )
    while aggregate(project.pk, batch=5):
        pass
    tags = {row.value: row.emails for row in Rollup.objects.filter(dimension="tag")}
    assert tags == {"order-0": 1, "all": 12, "order-1": 1, None: 10}
    before = read_rollups(project)
    list(rebuild(project.pk))
    assert read_rollups(project) == before


def test_rebuild_repairs_wrong_rollups_and_keeps_those_older_than_the_mail(project):
    random = Random(8)
    let_happen(accept_some(project, random, 10), random, 50)
    aggregate_all(MINUTE)
    right = read_rollups(project)
    Rollup.objects.update(delivered=1000)
    Rollup.objects.filter(dimension="tag").delete()
    status, [told], _ = run("rebuild_stats", "--project", "Acme", "--json", package="tracking")
    assert (status, told["emails"] > 0, told["project"]) == (0, True, "Acme")
    assert read_rollups(project) == right
    oldest = Message.objects.order_by("created_at").first()
    # By retention the oldest hour's mail is gone in part, and all before it.
    Rollup.objects.create(
        project=project, dimension="all", starts_at=oldest.created_at - timedelta(days=9), value="", **ZERO
    )
    Rollup.objects.filter(starts_at__lte=oldest.created_at).update(delivered=77)
    before = read_figures(project)
    run("rebuild_stats", "--project", "Acme", package="tracking")
    assert read_figures(project) == before


def test_rebuild_says_what_it_does_hour_by_hour(project):
    accept_some(project, Random(9), 3)
    status, out, _ = run("rebuild_stats", "--since", "2020-01-01T00:00:00Z", package="tracking")
    assert (status, "emails" in out) == (0, True)
    assert run("rebuild_stats", "--since", "yesterday", package="tracking")[0] != 0


ZERO = dict.fromkeys([field.name for field in Rollup._meta.fields if field.get_internal_type() == "IntegerField"], 0)
