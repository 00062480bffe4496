"""What all sides share: the servers, a sink for mail, databases, and our own programs beside them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
from cryptography.fernet import Fernet
from psycopg import sql

from bench.accept import await_web
from bench.delivery import Sink
from bench.peers.figures import RATE
from bench.peers.machine import cpu_seconds
from bench.service import ROOT
from emailsvc.embedded.roles import OWNER, as_administrator
from emailsvc.embedded.servers import Servers, running_servers
from emailsvc.launcher.ports import held_port, listen

# As compose.yaml starts them.
WORKER = (
    *("-m", "celery", "-A", "emailsvc.celery:app", "--quiet", "worker"),
    "--without-gossip",
    "--without-mingle",
    "--without-heartbeat",
)
WEB = ("-m", "gunicorn", "emailsvc.wsgi:application", "-c", "emailsvc/web/gunicorn_config.py")
SCOPES = "emails:send,emails:read,templates:read,templates:write"
# What is recorded behind the last mail or answer counts too.
SETTLE_SECONDS = 0.5
STOP_SECONDS = 15.0
NO_SETTINGS: Mapping[str, str] = {}


@dataclass(frozen=True, kw_only=True)
class Ground:
    """The servers of a run. Each database has its own number in Valkey."""

    folder: Path
    servers: Servers
    sink: Sink

    @property
    def postgres(self) -> int:
        """The process that all of PostgreSQL descends from."""
        return next(child.process.pid for child in self.servers.children if child.program.name == "postgres")

    def name_database(self, name: str) -> str:
        """The URL of a database, which is made if it is missing."""
        url = self.servers.environment["DATABASE_URL"]
        with psycopg.connect(url, autocommit=True) as connection:
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return url.replace("/emailsvc?", f"/{name}?")

    def connect(self, name: str) -> "psycopg.Connection[tuple[object, ...]]":
        return psycopg.connect(self.name_database(name), autocommit=True)

    def connect_administrator(self, name: str) -> "psycopg.Connection[tuple[object, ...]]":
        """Only the server's administrator may make `pg_stat_statements`, and reset it."""
        return psycopg.connect(as_administrator(self.name_database(name)), autocommit=True)

    def client_environment(self, name: str) -> dict[str, str]:
        """The environment of a peer that uses a database: libpq's own variables."""
        self.name_database(name)
        return {
            "PGHOST": str(self.servers.runtime),
            "PGDATABASE": name,
            "PGUSER": OWNER,
            "SINK_PORT": str(self.sink.port),
        }


@contextmanager
def open_ground(folder: Path) -> Iterator[Ground]:
    """Servers that flush their logs, as in production, with statistics for each statement; and a sink."""
    # The environment may name other servers, whose processes we could not count.
    with running_servers(folder, {}) as servers:
        preload_statistics(servers.environment["DATABASE_URL"])
    with ExitStack() as stack:
        servers = stack.enter_context(running_servers(folder, {}))
        sink = Sink(stack.enter_context(held_port()))
        stack.callback(sink.stop)
        yield Ground(folder=folder, servers=servers, sink=sink)


def preload_statistics(url: str) -> None:
    """Count the time of each statement, from the server's next start on."""
    with psycopg.connect(as_administrator(url), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'")


@dataclass(frozen=True, kw_only=True)
class Service:
    """Our service on one database of the ground: the environment of its programs."""

    ground: Ground
    environment: Mapping[str, str]

    def manage(self, *words: str) -> str:
        """The output of a management command."""
        done = subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=ROOT,
            env=dict(self.environment),
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        )
        return done.stdout

    def make_key(self, project: str = "bench") -> str:
        created = self.manage("create_api_key", "--json", "--project", project, "--scopes", SCOPES)
        key: str = json.loads(created)["key"]
        return key

    @contextmanager
    def running_web(self) -> Iterator[tuple[int, int]]:
        """The web server, as production starts it; yields its port and its process."""
        with listen(0) as held:
            bind = ("--bind", f"fd://{held.fileno()}")
            with running(self.environment, *WEB, *bind, held=held.fileno()) as web:
                port = held.getsockname()[1]
                await_web(port, web)
                yield port, web.pid

    @contextmanager
    def running_worker(self, children: int = 2) -> Iterator[int]:
        """A worker of the lanes `critical` and `normal`; yields its process. It may not be ready yet."""
        queues = ("-Q", "critical,normal", "-c", str(children))
        with running(self.environment, *WORKER, *queues) as worker:
            yield worker.pid


@contextmanager
def running(
    environment: Mapping[str, str], *words: str, held: int | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """One of our programs, in a session of its own, stopped at the end. What it says is in a log beside the data."""
    with Path(environment["BENCH_LOG"]).open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, *words],
            cwd=ROOT,
            env=dict(environment),
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=[] if held is None else [held],
        )
    try:
        yield process
    finally:
        stop_group(process)


def stop_group(process: "subprocess.Popen[bytes]") -> None:
    """Ask a session's first process to end, and kill the rest of its group."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def open_service(ground: Ground, name: str, number: int, settings: Mapping[str, str] = NO_SETTINGS) -> Service:
    """Our service on a new database, migrated, with the project `bench` and the sink as the shared provider."""
    broker = ground.servers.environment["REDIS_URL"]
    environment = {
        **{key: value for key, value in os.environ.items() if key in {"PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV"}},
        "DATABASE_URL": ground.name_database(name),
        "REDIS_URL": f"{broker}?db={number}",
        "BROKER_URL": f"{broker.replace('unix://', 'redis+socket://')}?virtual_host={number}",
        "SECRET_KEY": "bench-" * 8,
        "ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        "TRUSTED_SENDER_DOMAINS": "*",
        "LOG_LEVEL": "ERROR",
        "DJANGO_SETTINGS_MODULE": "emailsvc.settings",
        "BENCH_LOG": str(ground.folder / "logs" / f"{name}.log"),
        **settings,
    }
    service = Service(ground=ground, environment=environment)
    service.manage("migrate", "--verbosity", "0")
    service.manage("create_project", "bench")
    service.manage("add_provider", "sink", f"smtp://127.0.0.1:{ground.sink.port}?tls=never", "--shared", "--no-check")
    return service


@dataclass(frozen=True, kw_only=True)
class Meter:
    """Measures work: its rate, and the CPU time of some processes and of PostgreSQL for each message."""

    ground: Ground
    own: Sequence[int] = ()

    def measure(self, work: Callable[[], int]) -> dict[str, float | None]:
        """`work` returns the number of its messages; the clock stops when it returns, the CPU's a moment later."""
        before = cpu_seconds(*self.own), cpu_seconds(self.ground.postgres)
        begun_at = time.perf_counter()
        count = work()
        seconds = time.perf_counter() - begun_at
        time.sleep(SETTLE_SECONDS)
        after = cpu_seconds(*self.own), cpu_seconds(self.ground.postgres)
        own, postgres = (
            None if late is None or early is None else (late - early) * 1000 / count
            for early, late in zip(before, after, strict=True)
        )
        return {RATE: count / seconds, "cpu_ms": own if self.own else None, "postgres_ms": postgres or None}
