"""End-to-end tests need a real worker: Celery as it runs in production, on the test's database and broker."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
from django.core.cache import cache
from django.db import connection

from drills.harness.nursery import Request
from drills.harness.processes import is_alive
from ledger.timer import TICK_KEY

Wait = Callable[..., None]


@pytest.fixture
def wait_until() -> Wait:
    """Waits for a condition to hold: `wait_until(lambda: …)`, for a minute at most."""

    def wait(condition: Callable[[], object], seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "what was waited for did not happen"
            time.sleep(0.02)

    return wait


class Worker:
    """A Celery worker with one child on the test's database, in a session of its own."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def kill(self) -> None:
        """The worker and its children, at once, as a power cut would."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        while is_alive(self.pid):
            time.sleep(0.01)


@dataclass(frozen=True, kw_only=True)
class Nursery:
    """A process that has loaded the service once and forks workers: loading takes each a second of processor time."""

    line: socket.socket
    log: Path

    def start(self) -> Worker:
        self.line.sendall(json.dumps(asdict(Request(words=WORKER, log=str(self.log)))).encode())
        answer = self.line.recv(1024)
        assert answer, "the nursery has died"
        return Worker(int(answer))


@pytest.fixture(scope="session")
def nursery(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        command = [sys.executable, "-c", LOAD_AND_FORK, str(theirs.fileno())]
        environment = os.environ | worker_environment()
        with subprocess.Popen(command, env=environment, pass_fds=[theirs.fileno()]):
            theirs.close()
            yield Nursery(line=ours, log=tmp_path_factory.mktemp("workers") / "log")
            # It ends with the line.
            ours.close()


@pytest.fixture
def start_worker(transactional_db: None, nursery: Nursery, wait_until: Wait) -> Iterator[Callable[[], Worker]]:
    """Starts workers; each is ready when the call returns."""
    workers: list[Worker] = []

    def start() -> Worker:
        cache.delete(TICK_KEY)
        workers.append(nursery.start())
        wait_until(lambda: cache.get(TICK_KEY) or not is_alive(workers[-1].pid), 30)
        assert is_alive(workers[-1].pid), nursery.log.read_text()
        return workers[-1]

    yield start
    for worker in workers:
        worker.kill()


@pytest.fixture
def run_worker(transactional_db: None) -> Callable[[Mapping[str, str], Path], AbstractContextManager[None]]:
    """A worker from its own beginning, with changes of its environment; it is not waited for."""

    @contextmanager
    def run(changes: Mapping[str, str], log: Path) -> Iterator[None]:
        environment = os.environ | worker_environment() | dict(changes)
        command = [sys.executable, "-m", *WORKER]
        with (
            log.open("wb") as file,
            subprocess.Popen(command, env=environment, start_new_session=True, stderr=file) as process,
        ):
            try:
                yield
            finally:
                Worker(process.pid).kill()

    return run


WORKER = (
    *("celery", "-A", "emailsvc.celery:app", "--quiet", "worker"),
    *("-c", "1", "-Q", "critical,normal,bulk,webhooks,periodic"),
)
LOAD_AND_FORK = """
import socket, sys
import django
django.setup()
from drills.harness.nursery import run_nursery
run_nursery(socket.socket(fileno=int(sys.argv[1])), [])
"""


def worker_environment() -> dict[str, str]:
    """The test's own database, its machine as a network for webhooks, and time constants that a test can wait for."""
    values = connection.settings_dict
    user = f"{values['USER']}:{values['PASSWORD']}@" if values["USER"] else ""
    host = f"{quote(str(values['HOST']), safe='')}:{values['PORT'] or 5432}"
    return {
        "DATABASE_URL": f"postgresql://{user}{host}/{values['NAME']}",
        "WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
        "TICK_SECONDS": "0.2",
        "LEASE_SECONDS": "1.5",
        "HEARTBEAT_SECONDS": "0.4",
        "LOG_LEVEL": "WARNING",
    }
