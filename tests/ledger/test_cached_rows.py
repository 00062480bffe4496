"""Cached rows: every change is noticed, by whatever way it was made, with a listener and without."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from django.db import connection, transaction
from django.utils import timezone

from accounts.installation.limits import LimitValues, set_limits
from accounts.models import ApiKey, Project, SettingsChange
from accounts.services import create_api_key, create_project, find_cached_key, touch
from accounts.streams import create_stream
from domains.domain_status import DomainStatus
from domains.models import Domain
from ledger import cached_rows as module
from ledger import limits
from ledger.cached_rows import CachedRows, purge_changes
from ledger.limits import WorkKind, work_of
from ledger.sql import execute, fetch_value
from providers.services import sync_shared_provider
from templates_app.services import create_template, publish_template, update_template
from tests.round_trips import counted_statements

pytestmark = pytest.mark.django_db


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def _no_web_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """An import of the WSGI application by another test makes this process one, which listens."""
    monkeypatch.setattr(limits, "_process_kind", WorkKind.COMMAND)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def rows(clock: Clock) -> Iterator[CachedRows]:
    """The cache of another process, which notices changes by the table."""
    cache = CachedRows(clock)
    yield cache
    cache.stop()


def read_name(rows: CachedRows, project: Project) -> str:
    return rows.get("name", lambda: fetch_value("SELECT name FROM accounts_project WHERE id = %s", [project.pk]))


def test_a_row_is_read_once_and_a_change_is_known_after_a_second(
    rows: CachedRows, clock: Clock, project: Project
) -> None:
    assert read_name(rows, project) == "Acme"
    Project.objects.filter(pk=project.pk).update(name="Acme Ltd")
    clock.now += module.CHECK_SECONDS - 0.1
    assert read_name(rows, project) == "Acme"
    clock.now += 0.1
    assert read_name(rows, project) == "Acme Ltd"


def test_the_table_is_looked_at_once_a_second(rows: CachedRows, clock: Clock, project: Project) -> None:
    read_name(rows, project)
    with counted_statements() as sent:
        for _ in range(10):
            read_name(rows, project)
        assert not sent
        clock.now += module.CHECK_SECONDS
        for _ in range(10):
            read_name(rows, project)
    assert sent == [module._VERSION]


def test_an_entry_ends_after_some_time_whatever_was_noticed(rows: CachedRows, clock: Clock, project: Project) -> None:
    read_name(rows, project)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE accounts_project DISABLE TRIGGER USER")
        cursor.execute("UPDATE accounts_project SET name = 'Unnoticed'")
        cursor.execute("ALTER TABLE accounts_project ENABLE TRIGGER USER")
    clock.now += module.KEEP_SECONDS - 1
    assert read_name(rows, project) == "Acme"
    clock.now += 1
    assert read_name(rows, project) == "Unnoticed"


def test_what_was_read_before_a_change_was_noticed_is_not_kept(rows: CachedRows) -> None:
    def load() -> str:
        rows.clear()
        return "old"

    assert rows.get("a", load) == "old"
    assert rows.get("a", lambda: "new") == "new"


def test_fresh_reads_replace_what_is_cached(rows: CachedRows) -> None:
    rows.get("a", lambda: 1)
    assert rows.get("a", lambda: 2) == 1
    assert rows.get("a", lambda: 2, is_fresh=True) == 2
    assert rows.get("a", lambda: 3) == 2


def test_the_number_of_entries_is_limited(rows: CachedRows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ENTRIES", 3)
    for number in range(10):
        rows.get(number, lambda: "x")
    assert len(rows._entries) <= 3


def test_notes_of_old_changes_are_deleted(project: Project) -> None:
    SettingsChange.objects.update(changed_at=timezone.now() - timezone.timedelta(hours=2))
    create_project(name="Recent")
    recent = SettingsChange.objects.filter(changed_at__gt=timezone.now() - timezone.timedelta(hours=1)).count()
    assert purge_changes() > 0
    assert SettingsChange.objects.count() == recent > 0


def make_domain(project: Project) -> Domain:
    now = timezone.now()
    return Domain.objects.create(
        project=project, name="good.test", status=DomainStatus.VERIFIED, verified_at=now, next_check_at=now
    )


CHANGES: dict[str, Callable[[Project], Any]] = {
    "a new project": lambda _: create_project(name="Another"),
    "a project's default sender": lambda project: Project.objects.filter(pk=project.pk).update(default_from="a@b.test"),
    "a new key": lambda project: create_api_key(project, scopes=[]),
    "a revoked key": lambda _: ApiKey.objects.update(revoked_at=timezone.now()),
    "a key's scopes, by SQL": lambda _: execute("UPDATE accounts_apikey SET scopes = '{}'"),
    "a deleted key": lambda _: ApiKey.objects.all().delete(),
    "a project's limits": lambda project: set_limits("test", project, LimitValues(messages_per_day=1)),
    "a key's limits": lambda _: set_limits("test", ApiKey.objects.get(), LimitValues(messages_per_day=1)),
    "a new stream": lambda project: create_stream(project, name="news", type_="broadcast"),
    "a new domain": make_domain,
    "a suspended domain": lambda _: execute("UPDATE domains_domain SET status = 'suspended'"),
    "a domain's default sender": lambda _: Domain.objects.update(default_from="a@old.test"),
    "a deleted domain": lambda _: Domain.objects.all().delete(),
    "a published template": lambda project: publish_template(project.templates.get()),
    "a template's alias": lambda project: update_template(project.templates.get(), {"alias": "u"}),
    "a provider": lambda _: sync_shared_provider("smtp://127.0.0.1:9?tls=never"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_every_change_of_a_watched_table_is_noted(project: Project, name: str) -> None:
    create_api_key(project, scopes=["emails:send"])
    now = timezone.now()
    Domain.objects.create(project=project, name="old.test", status="verified", verified_at=now, next_check_at=now)
    create_template(project, {"alias": "t", "subject": "s", "text": "t"})
    before = fetch_value(module._VERSION)
    CHANGES[name](project)
    assert fetch_value(module._VERSION) != before


def test_what_is_written_all_the_time_is_not_noted(project: Project) -> None:
    key, _ = create_api_key(project, scopes=["emails:send"])
    domain = make_domain(project)
    before = fetch_value(module._VERSION)
    touch(key, timezone.now())
    domain.checked_at = timezone.now()
    domain.save(update_fields=["checked_at"])
    assert fetch_value(module._VERSION) == before


@pytest.mark.django_db(transaction=True)
class TestListener:
    """A web process on a connection of its own."""

    @pytest.fixture
    def listening(self, clock: Clock, project: Project) -> Iterator[CachedRows]:
        """A cache whose clock stands still: it never looks at the table again."""
        cache = CachedRows(clock)
        with work_of(WorkKind.WEB):
            read_name(cache, project)
            await_true(lambda: cache.mark is not None)
            yield cache
        cache.stop()

    def test_a_change_clears_the_cache_at_once(self, listening: CachedRows, project: Project) -> None:
        assert read_name(listening, project) == "Acme"
        mark = listening.mark
        Project.objects.filter(pk=project.pk).update(name="Acme Ltd")
        await_true(lambda: listening.mark != mark)
        assert read_name(listening, project) == "Acme Ltd"

    def test_a_change_that_is_not_committed_clears_nothing(self, listening: CachedRows, project: Project) -> None:
        read_name(listening, project)
        mark = listening.mark
        with transaction.atomic():
            Project.objects.filter(pk=project.pk).update(name="Never")
            transaction.set_rollback(True)
        Project.objects.filter(pk=project.pk).update(name="Acme Ltd")
        await_true(lambda: listening.mark != mark)
        assert listening.mark == mark + 1

    def test_when_the_line_breaks_the_table_is_looked_at_again(
        self, listening: CachedRows, clock: Clock, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert read_name(listening, project) == "Acme"
        # Of this test's database alone: tests beside it listen on the same server.
        execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%%'"
            " AND datname = current_database()"
        )
        await_true(lambda: listening.mark is None)
        Project.objects.filter(pk=project.pk).update(name="Acme Ltd")
        clock.now += module.CHECK_SECONDS
        assert read_name(listening, project) == "Acme Ltd"

    def test_behind_a_pooler_nothing_listens(
        self, clock: Clock, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        connection.close()
        monkeypatch.setattr(psycopg.ConnectionInfo, "backend_pid", property(lambda _: 1))
        cache = CachedRows(clock)
        with work_of(WorkKind.WEB):
            read_name(cache, project)
            assert cache.mark is None
            Project.objects.filter(pk=project.pk).update(name="Acme Ltd")
            clock.now += module.CHECK_SECONDS
            assert read_name(cache, project) == "Acme Ltd"
        connection.close()


def await_true(holds: Callable[[], bool]) -> None:
    """Wait for another thread; a minute is far beyond what it takes."""
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_cached_key_keeps_the_time_of_its_last_use(caching: CachedRows, project: Project) -> None:
    _, token = create_api_key(project, scopes=[])
    key = find_cached_key(token)
    assert key is not None
    touch(key, timezone.now())
    again = find_cached_key(token)
    assert again is key
    assert again.last_used_at is not None
