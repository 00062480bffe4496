"""The service under test: its servers and programs, each of which can be started, ended, stopped and killed."""

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from http.client import HTTPConnection, HTTPException
from io import StringIO
from pathlib import Path
from typing import Any

import redis
from django.conf import settings
from django.core.management import call_command
from django.db import connection

from drills.harness.ground import Ground
from drills.harness.nursery import Nursery, Request
from drills.harness.processes import is_alive, list_family, send
from emailsvc.embedded.programs import Child, has_ended, restart
from emailsvc.embedded.servers import KINDS
from emailsvc.launcher.ports import LOOPBACK
from emailsvc.launcher.processes import COMMANDS

PATIENCE_SECONDS = 30.0
ELSEWHERE = "drills.harness.elsewhere"
TABLES = (
    "mail_message, tracking_event, tracking_visit, tracking_suppression, accounts_idempotencykey, providers_provider,"
    " webhooks_endpoint, webhooks_webhookdelivery, tracking_suppressionwave, tracking_refusalcount,"
    " tracking_refusedaddress, accounts_notice"
)


class NotUpError(Exception):
    """A server or program did not start or end in time."""


class Stack:
    """Running servers, and programs forked from `nursery`. A kill includes all descendants."""

    def __init__(self, ground: Ground, nursery: Nursery, older_commit: str = "") -> None:
        self.ground = ground
        # Upgrades begin there, if it is given.
        self.older_commit = older_commit
        self._nursery = nursery
        self._programs: dict[int, str] = {}
        self._webs: list[int] = []
        self._count = 0

    def start(self, name: str, *options: str, folder: Path | None = None, **differences: Any) -> int:
        """Start a program of `./run` (`worker`, `worker-bulk`, `beat`, `web`); returns the number of its process.

        `options` override those of `./run`; `folder` holds another version of the product. `differences` are those of
        `drills.harness.nursery.Request`.
        """
        self._count += 1
        words = [*COMMANDS[name], *options]
        if "worker" in words:
            words += ["-n", f"{name}-{self._count}@drill"]
        if folder:
            words = [ELSEWHERE, str(folder), *words]
        log = str(self.ground.data / "logs" / f"{name}.log")
        pid = self._nursery.start(Request(words=words, log=log, **differences))
        self._programs[pid] = name
        return pid

    def start_web(self, *, folder: Path | None = None, shift: float = 0.0) -> int:
        """Start a web server, and wait until one answers. Running ones continue on the same socket."""
        pid = self.start("web", "--bind", f"fd://{self.ground.web.fileno()}", folder=folder, shift=shift)
        self._webs.append(pid)
        await_condition(self._is_web_up, "the web server to answer")
        return pid

    @property
    def webs(self) -> Sequence[int]:
        """The running web servers, the oldest first."""
        return tuple(self._webs)

    def list_programs(self) -> Sequence[tuple[int, str]]:
        """The number and the name of each program that runs."""
        return tuple(self._programs.items())

    def _is_web_up(self) -> bool:
        client = HTTPConnection(LOOPBACK, self.ground.web_port, timeout=2)
        with suppress(OSError, HTTPException):
            client.request("GET", "/healthz")
            return client.getresponse().status == 200
        return False

    def kill(self, pid: int) -> None:
        """SIGKILL the program and all that it has started; returns when they are gone."""
        self._kill_all([pid], [])

    def end(self, pid: int) -> None:
        """SIGTERM, as in a deployment; returns when the program and all that it has started are gone."""
        family = list_family(pid)
        send([pid], signal.SIGTERM)
        await_condition(lambda: not any(map(is_alive, family)), "a program to end at SIGTERM")
        self._forget(pid)

    def kill_programs(self) -> None:
        """Kill every program but the web server, at once."""
        self._kill_all([pid for pid in self._programs if pid not in self._webs], [])

    def cut_power(self) -> None:
        """Kill all programs and servers at once."""
        servers = self.ground.servers.children
        self._kill_all(list(self._programs), [child.process.pid for child in servers])
        await_condition(lambda: all(map(has_ended, servers)), "killed servers to be reaped")

    def restore_power(self) -> None:
        """Start servers and web server again. PostgreSQL replays its log meanwhile."""
        for child in self.ground.servers.children:
            self.restart_server(child.program.name)
        self.start_web()

    def _kill_all(self, programs: Sequence[int], servers: Sequence[int]) -> None:
        family = [member for pid in (*programs, *servers) for member in list_family(pid)]
        send(family, signal.SIGKILL)
        await_condition(lambda: not any(map(is_alive, family)), "killed processes to be gone")
        for pid in programs:
            self._forget(pid)

    def _forget(self, pid: int) -> None:
        del self._programs[pid]
        if pid in self._webs:
            self._webs.remove(pid)

    def find_server(self, name: str) -> Child:
        """`postgres` or `valkey`."""
        return next(child for child in self.ground.servers.children if child.program.name == name)

    def kill_server(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Signal a server's main process (with SIGKILL, all of its processes), and wait until it has ended."""
        child = self.find_server(name)
        family = list_family(child.process.pid)
        send(family if number is signal.SIGKILL else family[:1], number)
        await_condition(lambda: has_ended(child) and not any(map(is_alive, family)), f"{name} to end")

    def restart_server(self, name: str) -> None:
        """Start an ended server again and wait until it answers."""
        child = self.find_server(name)
        restart(child)
        # A killed server's last child may take some time to release the shared memory.
        variable = {"postgres": "DATABASE_URL", "valkey": "REDIS_URL"}[name]
        kind = next(kind for kind in KINDS if kind.variable == variable)
        kind.await_ready(self.ground.servers.runtime, child)

    @contextmanager
    def killed_server(self, name: str) -> Iterator[None]:
        """Stopped: connections are refused."""
        self.kill_server(name)
        yield
        self.restart_server(name)

    @contextmanager
    def stopped_server(self, name: str) -> Iterator[None]:
        """Half-open: the server accepts connections and bytes, and answers nothing."""
        family = list_family(self.find_server(name).process.pid)
        send(family, signal.SIGSTOP)
        try:
            yield
        finally:
            send(family, signal.SIGCONT)

    def clear(self) -> None:
        """End all programs except servers and web, and remove the data of the previous drill."""
        self.kill_programs()
        connection.close()
        with connection.cursor() as cursor:
            cursor.execute(f"TRUNCATE {TABLES} CASCADE")
        flush_all()
        self.ground.names.clear()


def flush_all() -> None:
    with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=5) as client:
        client.flushall()


def await_condition(is_true: Callable[[], object], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until the condition holds; NotUpError names `what`. The database may be absent meanwhile."""
    deadline = time.monotonic() + seconds
    while not is_true():
        if time.monotonic() > deadline:
            raise NotUpError(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.02)


@contextmanager
def running_stack(ground: Ground, changes: Sequence[Callable[[], None]], *, older_commit: str = "") -> Iterator[Stack]:
    """Start servers, create the schema, start the web server. Settings have been read; no thread runs yet."""
    nursery = Nursery(changes)
    try:
        ground.names.start()
        ground.servers.start()
        # Our output is the table; output of commands that are called here would disturb it.
        with redirect_stdout(StringIO()):
            call_command("prepare", verbosity=0)
        connection.close()
        stack = Stack(ground, nursery, older_commit)
        stack.start_web()
        yield stack
    finally:
        # Its programs end with it.
        nursery.close()
