"""Migrations beside programs that hold locks on the same tables."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import IntegrityError, OperationalError, connection
from psycopg.errors import DeadlockDetected, LockNotAvailable, QueryCanceled

from emailsvc.migrating import build_index, execute_patiently, keep_trying
from ledger.limits import TimeLimits, WorkKind, work_of
from ledger.sql import execute, fetch_value
from tests.locked_rows import other_session

PROBES = "DROP TABLE IF EXISTS probe; CREATE TABLE probe (id int); INSERT INTO probe VALUES (1), (1)"


def run_as_migration(statement: str) -> None:
    """As Django's migrations do."""
    with work_of(WorkKind.MIGRATION), connection.execute_wrapper(execute_patiently), connection.cursor() as cursor:
        cursor.execute(statement)


def fail_first(*errors: type[psycopg.Error]) -> Callable[[], str]:
    """Raises each of the errors once, as Django does, then succeeds."""
    waiting = list(errors)

    def step() -> str:
        if waiting:
            raise OperationalError from waiting.pop(0)()
        return "done"

    return step


@pytest.fixture
def _probe(transactional_db: None) -> Iterator[None]:
    execute(PROBES)
    yield
    execute("DROP TABLE probe")


def test_what_gives_way_to_others_is_tried_again() -> None:
    assert keep_trying(fail_first(DeadlockDetected, LockNotAvailable, DeadlockDetected), pause=0) == "done"


def test_any_other_error_is_not() -> None:
    with pytest.raises(OperationalError):
        keep_trying(fail_first(QueryCanceled), pause=0)


def test_patience_ends() -> None:
    with pytest.raises(OperationalError):
        keep_trying(fail_first(LockNotAvailable), pause=0, patience=-1)


@pytest.mark.usefixtures("_probe")
def test_a_table_that_is_held_is_changed_when_it_is_free(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    short = TimeLimits(timedelta(milliseconds=10), timedelta(seconds=30), timedelta(seconds=30))
    settings.DATABASE_LIMITS = {**settings.DATABASE_LIMITS, "migration": short}
    with other_session() as session:
        session.execute("SELECT FROM probe")
        # The other session ends during the first pause.
        monkeypatch.setattr("emailsvc.migrating.time.sleep", lambda _: session.rollback())
        run_as_migration("ALTER TABLE probe ADD COLUMN name text")
    assert fetch_value("SELECT count(*) FROM pg_attribute WHERE attrelid = 'probe'::regclass AND attname = 'name'") == 1


@pytest.mark.usefixtures("_probe")
def test_the_rest_of_an_index_that_was_broken_off_is_replaced() -> None:
    statement = 'CREATE UNIQUE INDEX CONCURRENTLY "probe_once" ON probe (id)'
    with pytest.raises(IntegrityError):
        execute(statement)
    execute("DELETE FROM probe")
    run_as_migration(statement)
    assert fetch_value("SELECT indisvalid FROM pg_index WHERE indexrelid = 'probe_once'::regclass")


@pytest.mark.usefixtures("_probe")
def test_an_index_may_wait_for_longer_than_a_change_of_a_table() -> None:
    with work_of(WorkKind.MIGRATION):
        assert build_index(lambda: fetch_value("SHOW lock_timeout"), "probe_once") == "1min"
        assert fetch_value("SHOW lock_timeout") == "250ms"
