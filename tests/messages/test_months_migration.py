"""An installation of the first release keeps every event, attempt and webhook delivery when they become months."""

import json
from collections.abc import Iterator
from uuid import UUID, uuid4

import psycopg
import pytest
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import sql

from accounts.requests.retention import REQUESTS
from common.ids import new_id
from emailsvc.migration_states import Executor
from ledger.partitions import MonthlyTable
from messages.months import ATTEMPTS, EVENTS, MONTHLY_TABLES

DATABASE = f"months_{uuid4().hex[:12]}"
FIRST_RELEASE = [("mail", "0001_initial"), ("tracking", "0001_initial"), ("webhooks", "0001_initial")]
CONNECT = ("host", "port", "user", "password")
COUNT = 20
# The tables that had rows before they had months.
OLD_TABLES = tuple(table for table in MONTHLY_TABLES if table != REQUESTS)
# A value for each column that must have one.
FILL = {
    "text": "",
    "character varying": "",
    "integer": 0,
    "boolean": False,
    "jsonb": "[]",
    "ARRAY": [],
    "smallint": 1,
    "timestamp with time zone": "now",
}
COLUMNS = """
SELECT column_name, data_type FROM information_schema.columns
WHERE table_name = %s AND is_nullable = 'NO' AND column_default IS NULL AND is_identity = 'NO'
"""


@pytest.fixture
def installation(django_db_blocker, django_db_setup) -> Iterator[BaseDatabaseWrapper]:
    """Django's connection, to a new and empty database."""
    with django_db_blocker.unblock():
        given = {key: value for key, value in connection.get_connection_params().items() if key in CONNECT}
        with psycopg.connect(**{**given, "dbname": "postgres"}, autocommit=True) as outer:
            outer.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
            usual = connection.settings_dict["NAME"]
            try:
                connect_to(DATABASE)
                yield connection
            finally:
                connect_to(usual)
                outer.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(DATABASE)))


def connect_to(name: str) -> None:
    connection.close()
    connection.settings_dict["NAME"] = name


def migrate(other: BaseDatabaseWrapper, targets: list[tuple[str, str]] | None = None) -> None:
    executor = Executor(other)
    executor.migrate(targets or executor.loader.graph.leaf_nodes())


def insert(other: BaseDatabaseWrapper, table: str, **values: object) -> None:
    """Insert a row; columns that need a value and are not given get one of their type."""
    with other.cursor() as cursor:
        cursor.execute(COLUMNS, [table])
        row = {name: FILL[kind] for name, kind in cursor.fetchall() if name not in values} | values
        names = sql.SQL(", ").join(map(sql.Identifier, row))
        marks = sql.SQL(", ").join(sql.Placeholder() * len(row))
        query = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(sql.Identifier(table), names, marks)
        cursor.execute(query, list(row.values()))


def fill(other: BaseDatabaseWrapper) -> None:
    project, endpoint = new_id(), new_id()
    insert(other, "accounts_project", id=project, name="shop")
    for number in range(COUNT):
        message, recipient = new_id(), new_id()
        own = {"project_id": project, "status": "sent", "id": message, "text": "Hello."}
        insert(other, "mail_message", **own, priority="normal", on_uncertain="retry", sender_basis="trusted")
        own = {"id": recipient, "message_id": message, "project_id": project, "status": "sent", "lane": "normal"}
        insert(other, "mail_recipient", **own, address=f"user{number}@rcpt.test")
        insert(other, "mail_attempt", recipient_id=recipient, number=1, phase="done", lease_token=new_id())
        own = {"project_id": project, "message_id": message, "recipient_id": recipient, "type": "email.sent"}
        insert(other, "tracking_event", id=new_id(), **own)
        own = {"project_id": project, "endpoint_id": endpoint, "event_id": new_id(), "status": "delivered"}
        insert(other, "webhooks_webhookdelivery", id=new_id(), **own)


def read(other: BaseDatabaseWrapper, table: MonthlyTable) -> list[dict[str, object]]:
    """All columns of the first release."""
    with other.cursor() as cursor:
        cursor.execute(f"SELECT to_jsonb(t) FROM {table.name} t ORDER BY {table.key}")
        return [json.loads(row) for (row,) in cursor.fetchall()]


@pytest.mark.slow("migrates a database from its beginning")
def test_every_row_is_kept_and_numbers_go_on(installation):
    migrate(installation, FIRST_RELEASE)
    fill(installation)
    before = {table.name: read(installation, table) for table in OLD_TABLES}
    migrate(installation)
    for table in OLD_TABLES:
        kept = read(installation, table)
        assert len(kept) == COUNT
        assert [{name: row[name] for name in old} for row, old in zip(kept, before[table.name], strict=True)] == (
            before[table.name]
        )
    projects = {row["project_id"] for row in read(installation, EVENTS)}
    assert {row["project_id"] for row in read(installation, ATTEMPTS)} == projects
    check_new_rows(installation, before)


def check_new_rows(other: BaseDatabaseWrapper, before: dict[str, list[dict[str, object]]]) -> None:
    attempt = before[ATTEMPTS.name][0]
    recipient = UUID(str(attempt["recipient_id"]))
    insert(other, "mail_attempt", recipient_id=recipient, number=2, phase="done", lease_token=new_id())
    insert(other, "tracking_event", id=new_id(), project_id=new_id(), message_id=new_id(), type="email.sent")
    ids = [row["id"] for row in read(other, ATTEMPTS)]
    assert len(set(ids)) == COUNT + 1
    serials = [row["serial"] for row in read(other, EVENTS)]
    assert len(set(serials)) == COUNT + 1
