"""Events, attempts and webhook deliveries by month: kept over the migration, made ahead, dropped when over."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.db import connection, transaction

from accounts.models import Retention
from ledger.partitions import MonthlyTable, drop_months, first_id, list_partitions, make_months
from ledger.sql import execute
from messages.models import Attempt, Message
from messages.months import ATTEMPTS, EVENTS, MONTHLY_TABLES
from messages.states import Status
from messages.tasks import keep_months
from tracking.events import Fact, record_facts
from tracking.models import Event, EventType
from webhooks.models import DeliveryStatus, Endpoint, WebhookDelivery
from webhooks.retention import DELIVERIES, purge

pytestmark = pytest.mark.django_db
FAR = date(2031, 5, 1)
LATER = datetime(2031, 7, 1, tzinfo=UTC)


def in_month(month: date, number: int = 5) -> UUID:
    return UUID(int=first_id(month).int + number)


def list_names(table: MonthlyTable) -> list[str]:
    return [partition.name for partition in list_partitions(table)]


def deliver_far(endpoint: Endpoint, **fields: object) -> WebhookDelivery:
    """A finished delivery of a month that is over in 2031."""
    values = {"pk": in_month(FAR), "status": DeliveryStatus.DELIVERED, **fields}
    return WebhookDelivery.objects.create(
        created_at=datetime(2031, 5, 1, tzinfo=UTC),
        endpoint=endpoint,
        project=endpoint.project,
        event_id=in_month(FAR),
        type="email.sent",
        payload="{}",
        attempts_left=1,
        **values,
    )


@pytest.fixture
def endpoint(project) -> Endpoint:
    return Endpoint.objects.create(project=project, url="http://hooks.test/", events=["*"], secret="whsec_x")


@pytest.mark.parametrize("table", MONTHLY_TABLES, ids=lambda table: table.name)
def test_the_month_and_three_more_have_a_place(table):
    ahead = datetime.now(UTC) + timedelta(days=85)
    assert list_partitions(table)[-1].end > UUID(int=int(ahead.timestamp() * 1000) << 80)
    assert make_months(table) == []


def test_beat_makes_what_is_missing(monkeypatch):
    monkeypatch.setattr("messages.tasks.make_months", lambda table: make_months(table, today=FAR))
    keep_months()
    for table in MONTHLY_TABLES:
        assert f"{table.name}_2031_08" in list_names(table)


def test_a_partition_that_somebody_holds_is_made_the_next_time(monkeypatch):
    monkeypatch.setattr("ledger.partitions.LOCK_TIMEOUT", "10ms")
    with psycopg.connect(**connect_to(connection.settings_dict["NAME"])) as other:
        other.execute("LOCK TABLE tracking_event_default IN ACCESS SHARE MODE")
        assert make_months(EVENTS, today=FAR, ahead=0) == []
    assert make_months(EVENTS, today=FAR, ahead=0) == ["tracking_event_2031_05"]


def connect_to(name: str) -> dict[str, Any]:
    given = connection.get_connection_params()
    return {key: given[key] for key in ("host", "user", "password", "port") if given.get(key)} | {"dbname": name}


def test_an_event_of_a_month_without_partition_is_written(project, send):
    with transaction.atomic():
        record_facts([Fact(id=in_month(FAR), project_id=project.pk, message_id=send().pk, type=EventType.SENT)])
    assert Event.objects.filter(pk=in_month(FAR)).count() == 1


def test_an_attempts_number_is_unique_in_every_month(send):
    recipient = send().recipients.get()
    columns = "recipient_id, number, lease_token, phase, claimed_at, provider_name, outcome, enhanced_code, reply,"
    insert = (
        f"INSERT INTO mail_attempt ({columns} remote_host, tls)"
        " VALUES (%s, 1, %s, 'done', now(), '', '', '', '', '', '') ON CONFLICT (recipient_id, number) DO NOTHING"
    )
    assert [execute(insert, [recipient.pk, recipient.pk]) for _ in range(2)] == [1, 0]
    assert Attempt.objects.get().pk


def test_an_attempt_names_its_project(inbox, send, deliver):
    message = send()
    deliver()
    attempt = Attempt.objects.get(recipient__message=message)
    assert (attempt.project_id, attempt.outcome) == (message.project_id, "delivered")


@pytest.mark.parametrize("table", [EVENTS, ATTEMPTS], ids=lambda table: table.name)
@pytest.mark.parametrize("status", [Status.QUEUED, Status.SCHEDULED, Status.DELIVERING])
def test_a_month_waits_for_open_and_scheduled_mail(send, table, status):
    message = send()
    Message.objects.filter(pk=message.pk).update(status=status, scheduled_at=LATER)
    make_months(table, today=FAR, ahead=0)
    execute("SET CONSTRAINTS ALL IMMEDIATE")
    execute(f"DELETE FROM {table.name}")
    assert drop_months(table, LATER) == []
    Message.objects.filter(pk=message.pk).update(status=Status.SENT)
    assert f"{table.name}_2031_05" in drop_months(table, LATER)
    assert list_names(table) == []


def test_a_month_waits_until_retention_has_emptied_it(send):
    message = send()
    Message.objects.filter(pk=message.pk).update(status=Status.SENT)
    execute("SET CONSTRAINTS ALL IMMEDIATE")
    assert drop_months(EVENTS, LATER) == []
    Event.objects.all().delete()
    assert drop_months(EVENTS, LATER) != []


def test_only_months_that_are_over_are_dropped():
    make_months(EVENTS, today=FAR, ahead=1)
    dropped = drop_months(EVENTS, datetime(2031, 6, 1, tzinfo=UTC))
    assert dropped[-1] == "tracking_event_2031_05"
    assert list_names(EVENTS) == ["tracking_event_2031_06"]


def test_a_month_of_deliveries_is_dropped_with_its_rows(endpoint, monkeypatch):
    make_months(DELIVERIES, today=FAR, ahead=1)
    deliver_far(endpoint)
    monkeypatch.setattr("webhooks.retention.database_time", lambda: LATER)
    Retention.objects.create(project=endpoint.project, webhook_log=10)
    assert purge() == 0
    assert not WebhookDelivery.objects.exists()
    assert list_names(DELIVERIES) == ["webhooks_webhookdelivery_2031_06"]


def test_a_month_waits_for_a_delivery_that_is_still_queued_and_loses_the_others(endpoint, monkeypatch):
    make_months(DELIVERIES, today=FAR, ahead=0)
    queued = deliver_far(endpoint, status=DeliveryStatus.PENDING, next_attempt_at=LATER)
    deliver_far(endpoint, pk=in_month(FAR, 6))
    monkeypatch.setattr("webhooks.retention.database_time", lambda: LATER)
    Retention.objects.create(project=endpoint.project, webhook_log=10)
    assert purge() == 1
    assert list_names(DELIVERIES) == ["webhooks_webhookdelivery_2031_05"]
    assert list(WebhookDelivery.objects.values_list("pk", flat=True)) == [queued.pk]
