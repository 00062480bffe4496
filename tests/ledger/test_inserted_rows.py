"""Rows inserted without the ORM equal those that the ORM would have inserted."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import DataError, IntegrityError, connection, models, transaction
from django.utils import timezone

from accounts.models import Project
from common.ids import new_id
from domains.models import DkimKey, Domain
from ledger.rows import Part, Text, insert_part, mark_stored, run_parts
from messages.models import Content, Message, Recipient, Subject

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
ODD = "tab\t newline\n return\r \\N \\. \\x41 \"quoted\" 'single' {a,b} NULL , ; é 你 😀 \x01\x7f\u2028"


SOURCE: Part = (Text("source AS (SELECT 1 AS id WHERE {0}::boolean)", 1), [True])


def insert(*tables: Sequence[models.Model], source: Part = SOURCE) -> None:
    """Insert rows of several models by one statement."""
    parts = [insert_part(f"t{number}", rows, "source") for number, rows in enumerate(tables)]
    assert run_parts([source, *parts], "SELECT count(*) FROM source") == (int(source[1][0]),)
    for rows in tables:
        mark_stored(rows)


def build(project: Project, text: str = ODD, **values: Any) -> Message:
    usual = {"from_address": "a@b.test", "subject": text, "status": "queued", "created_at": NOW}
    usual |= {"sender_basis": "trusted"}
    return Message(project=project, **{**usual, **values})


@pytest.mark.parametrize("count", [1, 2, 300])
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
    insert(messages)
    for expected, stored in zip(messages, Message.objects.order_by("id"), strict=True):
        names = [field.attname for field in Message._meta.concrete_fields]
        assert [getattr(stored, name) for name in names] == [getattr(expected, name) for name in names]


@pytest.mark.parametrize("count", [1, 2, 300])
def test_texts_that_are_sent_apart_come_back_as_they_were(project: Project, count: int) -> None:
    messages = [build(project) for _ in range(count)]
    contents = [
        Content(message=message, html=ODD * index, text=f"{index}{ODD}") for index, message in enumerate(messages)
    ]
    parts = [insert_part("m", messages, "source"), insert_part("c", contents, "source", ("html", "text"))]
    assert run_parts([SOURCE, *parts], "SELECT count(*) FROM source") == (1,)
    stored = Content.objects.order_by("message_id").values_list("message_id", "html", "text", "original_message_id")
    assert list(stored) == [(each.message_id, each.html, each.text, "") for each in contents]


def test_a_text_apart_that_postgresql_refuses_is_an_error_of_the_data(project: Project) -> None:
    messages = [build(project)]
    parts = [insert_part("m", messages, "source")]
    parts += [insert_part("c", [Content(message=messages[0], text="a\0b")], "source", ("html", "text"))]
    with pytest.raises(DataError), transaction.atomic():
        run_parts([SOURCE, *parts], "SELECT count(*) FROM source")


def test_what_was_written_can_be_saved_again(project: Project) -> None:
    message = build(project)
    insert([message])
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
    insert(messages, recipients, [Subject(message_id=message.pk, text="x") for message in messages])
    assert Message.objects.count() == Recipient.objects.count() == Subject.objects.count() == count


@pytest.mark.parametrize("count", [2, 20])
def test_a_row_that_breaks_a_constraint_stops_all(project: Project, count: int) -> None:
    messages = [build(project, status="queued" if index else "nonsense") for index in range(count)]
    with pytest.raises(IntegrityError, match="message_status_known"), transaction.atomic():
        insert(messages)
    assert not Message.objects.exists()


@pytest.mark.parametrize("count", [1, 9])
def test_secrets_are_encrypted_on_this_way_too(project: Project, count: int) -> None:
    domains = [
        Domain(project=project, name=f"d{index}.test", ownership_token=str(new_id()), next_check_at=NOW, created_at=NOW)
        for index in range(count)
    ]
    keys = [
        DkimKey(domain=domain, selector="s", algorithm="rsa", private_key="-- private --", created_at=NOW)
        for domain in domains
    ]
    insert(domains, keys)
    with connection.cursor() as cursor:
        cursor.execute("SELECT private_key FROM domains_dkimkey")
        assert not any("private" in row[0] for row in cursor.fetchall())
    assert {key.private_key for key in DkimKey.objects.defer(None)} == {"-- private --"}


@pytest.mark.parametrize("count", [1, 3])
def test_nothing_is_written_if_the_source_has_no_row(project: Project, count: int) -> None:
    source = (SOURCE[0], [False])
    insert([build(project) for _ in range(count)], source=source)
    assert not Message.objects.exists()


@pytest.mark.parametrize("count", [1, 2])
def test_a_time_at_which_a_row_becomes_due_is_not_later_than_the_databases_now(project: Project, count: int) -> None:
    message = build(project)
    times = [datetime(2999, 1, 1, tzinfo=UTC), None][:count]
    recipients = [
        Recipient(
            message=message,
            project=project,
            kind="to",
            position=index,
            address=f"a{index}@x.test",
            domain="x.test",
            status="queued",
            lane="normal",
            expires_at=NOW,
            next_attempt_at=time,
        )
        for index, time in enumerate(times)
    ]
    insert([message], recipients)
    stored = list(Recipient.objects.order_by("position").values_list("next_attempt_at", flat=True))
    assert stored[0] <= timezone.now()
    assert stored[1:] == times[1:]
