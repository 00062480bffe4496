"""Migrations lock tables at their end, and in the order in which they were written."""

from collections.abc import Iterator

import pytest
from django.db import connection
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.utils import ProgrammingError
from django.test.utils import CaptureQueriesContext

from accounts.models import Project
from ledger.sql import execute, fetch_value

ADD = "ALTER TABLE probe ADD COLUMN name text"
COLUMNS = "SELECT count(*) FROM pg_attribute WHERE attrelid = 'probe'::regclass AND attnum > 0"


@pytest.fixture(autouse=True)
def _probe(transactional_db: None) -> Iterator[None]:
    execute("CREATE TABLE probe (id int)")
    yield
    execute("DROP TABLE probe")


def test_a_statement_waits_for_the_end_of_its_migration() -> None:
    with CaptureQueriesContext(connection) as queries:
        with connection.schema_editor() as editor:
            editor.execute(ADD)
            assert not any(ADD in query["sql"] for query in queries)
        assert sum(ADD in query["sql"] for query in queries) == 1
    assert fetch_value(COLUMNS) == 2


def test_whoever_asks_meanwhile_sees_it() -> None:
    with connection.schema_editor() as editor:
        editor.execute(ADD)
        assert fetch_value(COLUMNS) == 2
        editor.execute("ALTER TABLE probe ADD COLUMN size int")
        with connection.cursor() as cursor:
            cursor.execute("UPDATE probe SET size = 1, name = 'a'")
    assert fetch_value(COLUMNS) == 3


def test_names_of_constraints_are_asked_without_locks_of_others() -> None:
    with connection.schema_editor() as editor, CaptureQueriesContext(connection) as queries:
        editor.execute(ADD)
        assert editor._constraint_names(Project, ["id"], primary_key=True) == ["accounts_project_pkey"]
        assert not any(ADD in query["sql"] for query in queries)
        editor.execute('ALTER TABLE "accounts_project" ADD CONSTRAINT probed UNIQUE (id)')
        assert "probed" in editor._constraint_names(Project, ["id"], unique=True, primary_key=False)
        editor.execute('ALTER TABLE "accounts_project" DROP CONSTRAINT probed')


def test_a_migration_without_a_transaction_keeps_nothing() -> None:
    with connection.schema_editor(atomic=False) as editor:
        editor.execute(ADD)
        assert fetch_value(COLUMNS) == 2


@pytest.mark.parametrize(
    "wrong", ["ALTER TABLE no_such_table ADD COLUMN name text", "ALTER TABLE probe ADD COLUMN id int"]
)
def test_a_migration_that_fails_leaves_nothing(wrong: str) -> None:
    with pytest.raises(ProgrammingError), connection.schema_editor() as editor:
        write(editor, ADD, wrong)
    assert not connection.in_atomic_block
    assert fetch_value(COLUMNS) == 1


def test_a_migration_that_breaks_off_runs_nothing() -> None:
    with pytest.raises(ZeroDivisionError), connection.schema_editor() as editor:
        write(editor, ADD, *(1 // n for n in (0,)))
    assert not connection.in_atomic_block
    assert fetch_value(COLUMNS) == 1


def write(editor: BaseDatabaseSchemaEditor, *statements: str | int) -> None:
    for statement in statements:
        editor.execute(str(statement))
