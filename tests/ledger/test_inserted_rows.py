"""Rows inserted without the ORM equal those that the ORM would have inserted."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import Project
from common.ids import new_id
from domains.models import DkimKey, Domain
from ledger.rows import FEW, insert_rows
from messages.models import Message, Recipient, Subject

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
ODD = "tab\t newline\n return\r \\N \\. \\x41 \"quoted\" 'single' {a,b} NULL , ; é 你 😀 \x01\x7f\u2028"


def build(project: Project, text: str = ODD, **values: Any) -> Message:
    usual = {"from_address": "a@b.test", "subject": text, "status": "queued", "created_at": NOW}
    usual |= {"sender_basis": "trusted"}
    return Message(project=project, **{**usual, **values})


@pytest.mark.parametrize("count", [1, FEW, FEW + 1, 300])
def test_every_column_comes_back_as_it_was(project: Project, count: int) -> None:
    messages = [
        build(
            project,
            tags=[ODD, "", "NULL", "{}", 'a"b'],
            metadata={"k": ODD, "n": {"deep": [1, None, True]}},
            headers={},
            reply_to=[{"name": ODD, "address": "x@y.test"}],
            is_test=index % 2 == 0,
            scheduled_at=NOW if index % 3 else None,
        )
        for index in range(count)
    ]
    with transaction.atomic():
        insert_rows(messages)
    for expected, stored in zip(messages, Message.objects.order_by("id"), strict=True):
        names = [field.attname for field in Message._meta.concrete_fields]
        assert [getattr(stored, name) for name in names] == [getattr(expected, name) for name in names]


def test_what_was_written_can_be_saved_again(project: Project) -> None:
    message = build(project)
    insert_rows([message])
    message.subject = "other"
    message.save(update_fields=["subject"])
    assert Message.objects.get().subject == "other"


@pytest.mark.parametrize("count", [1, 200])
def test_tables_that_need_each_other_are_written_together(project: Project, count: int) -> None:
    messages = [build(project) for _ in range(count)]
    recipients = [
        Recipient(
            message=message,
            project=project,
            kind="to",
            position=0,
            address="a@x.test",
            domain="x.test",
            status="queued",
            lane="normal",
            expires_at=NOW,
        )
        for message in messages
    ]
    insert_rows(messages, [], recipients, [Subject(message_id=message.pk, text="x") for message in messages])
    assert Message.objects.count() == Recipient.objects.count() == Subject.objects.count() == count


@pytest.mark.parametrize("count", [2, FEW + 2])
def test_a_row_that_breaks_a_constraint_stops_all(project: Project, count: int) -> None:
    messages = [build(project, status="queued" if index else "nonsense") for index in range(count)]
    with pytest.raises(IntegrityError, match="message_status_known"), transaction.atomic():
        insert_rows(messages)
    assert not Message.objects.exists()


@pytest.mark.parametrize("count", [1, FEW + 1])
def test_secrets_are_encrypted_on_this_way_too(project: Project, count: int) -> None:
    domains = [
        Domain(project=project, name=f"d{index}.test", ownership_token=str(new_id()), next_check_at=NOW, created_at=NOW)
        for index in range(count)
    ]
    keys = [
        DkimKey(domain=domain, selector="s", algorithm="rsa", private_key="-- private --", created_at=NOW)
        for domain in domains
    ]
    insert_rows(domains, keys)
    with connection.cursor() as cursor:
        cursor.execute("SELECT private_key FROM domains_dkimkey")
        assert not any("private" in row[0] for row in cursor.fetchall())
    assert {key.private_key for key in DkimKey.objects.defer(None)} == {"-- private --"}


def test_nothing_is_asked_for_nothing(project: Project) -> None:
    with CaptureQueriesContext(connection) as queries:
        insert_rows([], [])
    assert not queries
