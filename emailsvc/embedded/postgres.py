"""The embedded PostgreSQL: created once in the data folder, reachable only through a socket in the runtime folder."""

import os
import shutil
import signal
import time
from pathlib import Path
from urllib.parse import quote

import psycopg

from emailsvc.embedded.account import CLEAN_ENVIRONMENT, Account, choose_account, give, run_as
from emailsvc.embedded.binaries import Postgres, find_postgres
from emailsvc.embedded.errors import EmbeddedError
from emailsvc.embedded.programs import Child, Program, has_ended, tail
from emailsvc.embedded.roles import ADMINISTRATOR, OWNER, connect, prepare_database, rename_administrator

NAME = "emailsvc"
FOLDER = "postgres"
READY_SECONDS = 60.0
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Thousands of short statements: just-in-time compilation costs more than it saves.
    "jit": "off",
    "checkpoint_timeout": "15min",
    "max_wal_size": "2GB",
    "wal_compression": "on",
    # Its log shows no values of ours: neither statements that failed, nor their parameters, nor the keys of a conflict.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_parameter_max_length": "0",
    "log_checkpoints": "off",
    "log_parameter_max_length_on_error": "0",
    # Nobody subscribes: without them a process less waits.
    "max_logical_replication_workers": "0",
}
INITDB_OPTIONS = ("-A", "trust", "-E", "UTF8", "--no-locale", "-U", ADMINISTRATOR, "--no-instructions")
# For tests: losing data in a power cut does no harm there, and no table lives long.
VOLATILE_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}


def read_major(folder: Path) -> int | None:
    """The PostgreSQL version of the data folder; None if there is no data yet."""
    version = folder / "PG_VERSION"
    return int(version.read_text().split(".")[0]) if version.exists() else None


def database_url(runtime: Path) -> str:
    return f"postgresql://{OWNER}@/{NAME}?host={quote(str(runtime), safe='')}"


def build_postgres(data: Path, runtime: Path, *, is_durable: bool = True) -> Program:
    """The program that serves `data/postgres`, which is created if it is missing.

    Raises EmbeddedError if PostgreSQL cannot run here or does not fit the data.
    """
    folder = data / FOLDER
    account = choose_account(folder)
    if folder.exists() and not os.access(folder, os.R_OK | os.X_OK):
        raise EmbeddedError(f"{folder} belongs to another user; run as that user, or choose another --data")
    binaries = find_postgres(account, runtime, wanted=read_major(folder))
    if not folder.exists():
        create_cluster(folder, binaries, account)
    settings = SETTINGS | ({} if is_durable else VOLATILE_SETTINGS)
    # Kept open while we live, so that a restarted server finds it under the same number.
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    return Program(
        name="postgres",
        arguments=(
            str(binaries.folder / "postgres"),
            "-D",
            path_by_descriptor(descriptor, folder),
            "-k",
            str(runtime),
            *(word for key, value in settings.items() for word in ("-c", f"{key}={value}")),
        ),
        log=data / "logs" / "postgres.log",
        environment=CLEAN_ENVIRONMENT,
        account=account,
        inherited=(descriptor,),
        # Fast shutdown cuts open sessions. If we die, immediate shutdown follows: the next start replays the log.
        stop_signal=signal.SIGINT,
        stop_seconds=3.0,
        death_signal=signal.SIGQUIT,
    )


def path_by_descriptor(descriptor: int, folder: Path) -> str:
    """A path to the folder that its owner can use even if he may not enter a parent folder (Linux)."""
    return f"/proc/self/fd/{descriptor}" if Path("/proc/self/fd").is_dir() else str(folder)


def create_cluster(folder: Path, binaries: Postgres, account: Account | None) -> None:
    """Run initdb beside the final place, so that an interrupted start leaves no half-made cluster."""
    fresh = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    give(fresh, account)
    descriptor = os.open(fresh, os.O_RDONLY | os.O_DIRECTORY)
    place = path_by_descriptor(descriptor, fresh)
    try:
        done = run_as(account, [str(binaries.folder / "initdb"), *INITDB_OPTIONS, "-D", place], (descriptor,))
    finally:
        os.close(descriptor)
    if done.returncode != 0:
        raise EmbeddedError(f"initdb failed: {done.stderr.strip() or done.stdout.strip()}")
    fresh.rename(folder)


def await_postgres(runtime: Path, child: Child) -> None:
    """Wait until the server answers, and create our role and database on its first start. Raises EmbeddedError if it
    dies.
    """
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            find_administrator(str(runtime))
            prepare_database(str(runtime), NAME)
            return
        except psycopg.OperationalError as error:
            if has_ended(child) or time.monotonic() > deadline:
                raise EmbeddedError(f"PostgreSQL did not start: {error}\n{tail(child)}") from None
        time.sleep(0.02)


def find_administrator(host: str) -> None:
    """Raises psycopg.OperationalError while the server does not answer."""
    try:
        connect(host, ADMINISTRATOR).close()
    except psycopg.OperationalError:
        rename_administrator(host)
