"""Time limits in the database by the kind of work, on our own connections and behind a pooler."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import OperationalError, connection, transaction

from accounts.models import Project
from accounts.services import create_project
from emailsvc import celery_worker
from ledger import limits
from ledger.database import raw
from ledger.database.raw import fetch_raw
from ledger.limits import WorkKind, is_lock_timeout, lock_limit, set_process_kind, work_of
from ledger.sql import PLAN_MARK, PLAN_SECONDS, Prepared, fetch, fetch_value
from tests.locked_rows import locked_elsewhere

pytestmark = pytest.mark.django_db(transaction=True)
NAMES = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
USUAL = {
    WorkKind.WEB: ["5s", "30s", "30s"],
    WorkKind.SENDING: ["5s", "1min", "1min"],
    WorkKind.TICK: ["2s", "1min", "1min"],
    WorkKind.COMMAND: ["1min", "0", "10min"],
    WorkKind.MIGRATION: ["250ms", "0", "10min"],
}


def read_limits() -> list[str]:
    return [fetch_value(f"SHOW {name}") for name in NAMES]


@pytest.fixture(autouse=True)
def _new_connections() -> Iterator[None]:
    # Another test may have loaded a web process or a worker.
    set_process_kind(WorkKind.COMMAND)
    connection.close()
    yield
    set_process_kind(WorkKind.COMMAND)
    connection.close()


@pytest.fixture
def _pooled(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pooler such as PgBouncer tells its clients a process of its own."""
    monkeypatch.setattr(psycopg.ConnectionInfo, "backend_pid", property(lambda _: 1))


@pytest.mark.parametrize("kind", WorkKind)
def test_each_kind_of_work_has_its_limits_in_transactions_and_outside(kind: WorkKind) -> None:
    with work_of(kind):
        assert read_limits() == USUAL[kind]
        with transaction.atomic():
            assert read_limits() == USUAL[kind]
    assert read_limits() == USUAL[WorkKind.COMMAND]


@pytest.mark.usefixtures("_pooled")
def test_behind_a_pooler_a_transaction_has_them_and_the_servers_session_keeps_none() -> None:
    before = read_limits()
    with work_of(WorkKind.TICK), transaction.atomic():
        assert read_limits() == USUAL[WorkKind.TICK]
        with transaction.atomic():
            assert read_limits() == USUAL[WorkKind.TICK]
    with work_of(WorkKind.WEB), transaction.atomic():
        assert read_limits() == USUAL[WorkKind.WEB]
    assert read_limits() == before == ["0", "0", "0"]


def test_a_new_connection_has_them_too() -> None:
    with work_of(WorkKind.WEB):
        assert read_limits() == USUAL[WorkKind.WEB]
        connection.close()
        assert read_limits() == USUAL[WorkKind.WEB]


def test_the_same_kind_again_costs_no_query(django_assert_num_queries: Any) -> None:
    create_project(name="warm")
    with django_assert_num_queries(1):
        Project.objects.count()


@pytest.mark.parametrize("is_pooled", [False, True])
def test_a_wait_for_a_lock_ends(settings: Any, monkeypatch: pytest.MonkeyPatch, is_pooled: bool) -> None:
    if is_pooled:
        monkeypatch.setattr(psycopg.ConnectionInfo, "backend_pid", property(lambda _: 1))
    project = create_project(name="Acme")
    short = limits.TimeLimits(timedelta(milliseconds=10), timedelta(seconds=30), timedelta(seconds=30))
    settings.DATABASE_LIMITS = {**settings.DATABASE_LIMITS, "tick": short}
    with (
        locked_elsewhere(project),
        work_of(WorkKind.TICK),
        pytest.raises(OperationalError) as caught,
        transaction.atomic(),
    ):
        Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    assert is_lock_timeout(caught.value)


def test_a_lock_limit_within_a_transaction_gives_way_to_the_usual_one() -> None:
    with work_of(WorkKind.WEB), transaction.atomic():
        with lock_limit(100):
            assert read_limits()[0] == "100ms"
        assert read_limits()[0] == "5s"


@pytest.mark.parametrize(
    ("task", "kind"),
    [
        ("mail.deliver_due", WorkKind.SENDING),
        ("webhooks.post_due", WorkKind.SENDING),
        ("mail.tick", WorkKind.TICK),
        ("webhooks.tick", WorkKind.TICK),
        ("mail.purge_feedback", WorkKind.COMMAND),
    ],
)
def test_each_task_is_of_a_kind(task: str, kind: WorkKind) -> None:
    celery_worker.limit_database_time(task=celery_worker.app.tasks[task])
    assert read_limits() == USUAL[kind]


def test_an_idle_connection_of_a_web_process_is_tested_without_a_query(monkeypatch: pytest.MonkeyPatch) -> None:
    create_project(name="warm")
    asked: list[str] = []
    monkeypatch.setattr(psycopg.Cursor, "execute", lambda _, query: asked.append(query))
    with work_of(WorkKind.WEB):
        assert connection.is_usable()
    assert not asked
    assert connection.is_usable()
    assert asked == ["SELECT 1"]


def test_a_connection_that_the_server_ended_is_not_usable_for_a_web_process() -> None:
    with work_of(WorkKind.WEB):
        create_project(name="warm")
        with psycopg.connect(**{**connection.get_connection_params(), "cursor_factory": psycopg.Cursor}) as other:
            other.execute("SELECT pg_terminate_backend(%s, 60000)", [connection.connection.info.backend_pid])
        assert not connection.is_usable()
        connection.close()
        assert Project.objects.count() == 1
    connection.ensure_connection()
    connection.connection.close()
    with work_of(WorkKind.WEB):
        assert not connection.is_usable()


def test_the_statements_that_ask_for_it_are_prepared_but_not_behind_a_pooler(monkeypatch: pytest.MonkeyPatch) -> None:
    def list_prepared() -> list[Any]:
        return fetch("SELECT statement FROM pg_prepared_statements WHERE starts_with(statement, 'SELECT $1::int + 1')")

    for _ in range(10):
        fetch_raw(b"SELECT $1::int + 1", [1])
        create_project(name=str(_))
    assert len(list_prepared()) == 1
    connection.close()
    monkeypatch.setattr(psycopg.ConnectionInfo, "backend_pid", property(lambda _: 1))
    fetch_value("SELECT 1")
    fetch_raw(b"SELECT $1::int + 1", [1])
    fetch_value(Prepared("SELECT %s::int + 1"), [1])
    assert not list_prepared()


def test_a_statement_is_prepared_again_after_all_were_dropped() -> None:
    assert fetch_raw(b"SELECT $1::int + 3", [1]) == (4,)
    with transaction.atomic():
        fetch_value(Prepared("SELECT %s::int + 4"), [1])
        transaction.set_rollback(True)
    assert fetch_raw(b"SELECT $1::int + 3", [1]) == (4,)


def test_only_so_many_statements_stay_prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw, "MOST_PREPARED", 2)
    connection.close()
    for number in (1, 2, 3, 1):
        assert fetch_raw(b"SELECT $1::int + 1 AS raw_%d" % number, [1]) == (2,)
    kept = "SELECT count(*) FROM pg_prepared_statements WHERE strpos(statement, 'AS raw_') > 0"
    assert fetch_value(kept) == 2


def test_a_plan_is_kept_for_some_seconds_and_then_made_anew_in_place_of_the_old_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    statement = Prepared("SELECT %s::int + 2")
    raw_one = b"SELECT $1::int + 2 AS raw_one"
    assert fetch_raw(raw_one, [1]) == (3,)
    for now, number in ((0.0, 0), (PLAN_SECONDS - 1.0, 0), (PLAN_SECONDS + 1.0, 1)):
        monkeypatch.setattr("ledger.sql.monotonic", lambda now=now: now)
        assert fetch_value(statement, [1]) == 3
        kept = fetch("SELECT statement FROM pg_prepared_statements WHERE starts_with(statement, 'SELECT $1::int + 2')")
        assert {text for (text,) in kept} == {f"SELECT $1::int + 2{PLAN_MARK}{number}", raw_one.decode()}
