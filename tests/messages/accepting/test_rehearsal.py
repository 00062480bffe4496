"""A process accepts an email that is not stored, before the first of its clients."""

from datetime import UTC, datetime
from typing import Any, cast

import psycopg
import pytest
from django.apps import apps
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connection, connections
from structlog.testing import capture_logs

from emailsvc.web.warming import warm_up
from ledger.database.base import DatabaseWrapper
from ledger.rows import write_statement
from messages.accepting import rehearsal
from tests.conftest import ApiClient
from tests.round_trips import counted_statements


def count_rows() -> dict[str, int]:
    models = apps.get_models(include_auto_created=True)
    return {model._meta.label: model._base_manager.count() for model in models if model._meta.managed}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_pooled", [False, True])
def test_nothing_is_stored_or_logged(monkeypatch: pytest.MonkeyPatch, is_pooled: bool) -> None:
    connection.close()
    if is_pooled:
        # A pooler such as PgBouncer tells its clients a process of its own.
        monkeypatch.setattr(psycopg.ConnectionInfo, "backend_pid", property(lambda _: 1))
    before = count_rows()
    with capture_logs() as lines:
        rehearsal.rehearse()
        warm_up()
    assert count_rows() == before
    assert lines == []
    assert cast(DatabaseWrapper, connections[DEFAULT_DB_ALIAS]).is_pooled == is_pooled
    connection.close()


def test_the_statements_are_those_of_the_first_plain_emails(api: ApiClient) -> None:
    with counted_statements() as rehearsed:
        rehearsal.rehearse()
    with counted_statements() as sent:
        # The second one knows that the project has no endpoints.
        for _ in range(2):
            api.post("/emails", {"from_": "shop@example.test", "to": "you@example.test", "subject": "Hi", "text": "Hi"})
    inserts = [each for each in sent if 'INSERT INTO "mail_message"' in each]
    assert inserts == [each for each in rehearsed if 'INSERT INTO "mail_message"' in each]
    assert len(set(inserts)) == 2


@pytest.mark.django_db
def test_its_text_is_composed_without_a_connection() -> None:
    write_statement.cache_clear()
    rehearsal.fill_caches(datetime.now(UTC))
    with counted_statements() as sent:
        rehearsal.fill_caches(datetime.now(UTC))
    assert sent == []
    misses = write_statement.cache_info().misses
    rehearsal.rehearse()
    assert write_statement.cache_info().misses == misses == 2


def test_an_absent_database_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise DatabaseError

    monkeypatch.setattr("ledger.database.base.DatabaseWrapper.ensure_connection", refuse)
    with capture_logs() as lines:
        warm_up()
    assert lines == []
