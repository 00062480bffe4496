"""Few rows are sent as values, many as JSON: both write the same."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from django.db import DataError, connection, models, transaction

from accounts.models import Project
from common.ids import new_id
from ledger import rows as ledger_rows
from ledger.database.encoding import ENCODERS, Encoded
from ledger.database.raw import fetch_raw
from ledger.rows import FEW_ROWS, Part, Text, insert_part, run_parts
from messages.models import Content, Message, Recipient, Subject
from tracking.models import TrackedLinks

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
ODD = "tab\t newline\n return\r \\N \\. \\x41 \"quoted\" 'single' {a,b} NULL , ; é 你 😀 \x01\x7f\u2028"
SOURCE: Part = (Text("source AS (SELECT 1 AS id)"), [])


def build_message(project: Project, *, is_full: bool) -> Message:
    message = Message(project=project, from_address="a@b.test", subject=ODD, status="queued", created_at=NOW)
    message.sender_basis = "trusted"
    if is_full:
        message.is_test, message.from_name, message.reply_to = True, ODD, [{"name": ODD, "address": "x@y.test"}]
        message.tags, message.metadata, message.headers = [ODD, "", "NULL", "{}"], {"k": ODD}, [["X-A", ODD]]
        message.batch_id, message.scheduled_at = new_id(), datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
        message.queued_at = NOW.astimezone(timezone(timedelta(hours=5, minutes=45)))
    return message


def build_rows(project: Project, *, is_full: bool) -> list[models.Model]:
    """A row of each table that accepting fills."""
    message = build_message(project, is_full=is_full)
    recipient = Recipient(
        message=message,
        project=project,
        kind="to",
        position=32767 if is_full else 0,
        address="a@x.test",
        domain="x.test",
        status="queued",
        lane="normal",
        expires_at=NOW,
        next_attempt_at=NOW if is_full else None,
        sender_id=new_id() if is_full else None,
    )
    places = [0, -1, 2147483647] if is_full else None
    content = Content(message=message, html=ODD * is_full, text="x", tracked_places=places)
    content.header_recipients = {"to": [{"name": ODD}]} if is_full else None
    subject = Subject(message_id=message.pk, text=ODD, metadata=message.metadata, recipients=ODD if is_full else None)
    links = TrackedLinks(message_id=message.pk, project_id=project.pk, urls=[ODD, ""] if is_full else [])
    return [message, recipient, content, subject, links]


def read_stored(row: models.Model) -> dict[str, Any]:
    return type(row)._base_manager.filter(pk=row.pk).values().get()


def store(rows: Sequence[models.Model]) -> list[dict[str, Any]]:
    """Store the rows and take them back; returns them as they were stored."""
    with transaction.atomic():
        parts = [insert_part(f"t{number}", [row], "source") for number, row in enumerate(rows)]
        assert run_parts([SOURCE, *parts], "SELECT count(*) FROM source") == (1,)
        stored = [read_stored(row) for row in rows]
        transaction.set_rollback(True)
    return stored


@pytest.mark.parametrize("is_full", [True, False])
def test_both_ways_store_the_same(project: Project, is_full: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = build_rows(project, is_full=is_full)
    as_values = store(rows)
    monkeypatch.setattr(ledger_rows, "FEW_ROWS", 0)
    assert store(rows) == as_values
    names = [[field.attname for field in type(row)._meta.concrete_fields] for row in rows]
    assert as_values == [
        {name: getattr(row, name) for name in columns} for row, columns in zip(rows, names, strict=True)
    ]


@pytest.mark.parametrize("is_json", [True, False])
@pytest.mark.parametrize("values", [{"subject": "a\0b"}, {"tags": ["a\0b"]}, {"metadata": {"k": "a\0b"}}])
def test_a_nul_is_refused_on_both_ways(
    project: Project, values: dict[str, Any], is_json: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_rows, "FEW_ROWS", 0 if is_json else FEW_ROWS)
    message = build_message(project, is_full=False)
    for name, value in values.items():
        setattr(message, name, value)
    with pytest.raises(DataError), transaction.atomic():
        run_parts([SOURCE, insert_part("t", [message], "source")], "SELECT count(*) FROM source")
    assert not Message.objects.exists()


VALUES = {
    "bytea": ["\\x", "\\x00ff5c"],
    "boolean": [True, False],
    "integer": [0, -2147483648, 2147483647],
    "integer[]": [[], [1], [-1, 0, 2147483647]],
    "jsonb": [{}, [], {"k": [ODD, None, True, 1.5]}, "x", 1],
    "smallint": [0, -32768, 32767],
    "text": ["", ODD, "x" * 100_000],
    "text[]": [[], [""], [ODD, "NULL", "{}", "a,b"]],
    "timestamp with time zone": [NOW, NOW.astimezone(timezone(timedelta(hours=-3)))],
    "uuid": [new_id()],
}


@pytest.mark.parametrize("type_", ENCODERS)
def test_a_value_of_each_type_comes_back_as_it_was(type_: str) -> None:
    for value in VALUES[type_]:
        encoder = ENCODERS[type_]
        text = f"SELECT $1::{type_}".encode()
        (received,) = fetch_raw(text, [], Encoded([encoder.encode(value)], [encoder.format]))
        read = {"jsonb": json.loads, "bytea": lambda content: f"\\x{content.hex()}"}.get(type_, lambda same: same)
        # Django takes jsonb as text, and loads it itself.
        assert read(received) == value


@pytest.mark.parametrize("is_pooled", [False, True])
def test_encoded_values_follow_those_of_psycopg(is_pooled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    connection.ensure_connection()
    monkeypatch.setattr(connection, "_is_pooled", is_pooled)
    encoder = ENCODERS["text"]
    row = fetch_raw(b"SELECT $1::int, $2::text", [7], Encoded([encoder.encode(ODD)], [encoder.format]))
    assert row == (7, ODD)


@pytest.mark.parametrize("count", [1, FEW_ROWS, FEW_ROWS + 1])
def test_the_text_of_a_statement_is_that_of_its_number_of_rows(project: Project, count: int) -> None:
    """A prepared statement is found again by its text."""
    first, second = (
        insert_part("t", [build_message(project, is_full=is_full) for _ in range(count)], "source")[0]
        for is_full in (True, False)
    )
    assert first is second
    assert bool(first.formats) == (count <= FEW_ROWS)
