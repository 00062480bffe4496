"""End-to-end tests need a real worker: Celery as it runs in production, on the test's database and broker."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from urllib.parse import quote

import pytest
from django.core.cache import cache
from django.db import connection

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


@pytest.fixture
def start_worker(transactional_db: None, wait_until: Wait) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts Celery workers with one child on this test's database; each is ready when the call returns.

    One that is given a broker of its own, as a changed environment, is not waited for; `log` takes what it says.
    """
    processes: list[subprocess.Popen[bytes]] = []

    def start(changes: Mapping[str, str] | None = None, log: int | None = None) -> subprocess.Popen[bytes]:
        cache.delete(TICK_KEY)
        environment = os.environ | worker_environment() | dict(changes or {})
        process = subprocess.Popen(WORKER, env=environment, start_new_session=True, stderr=log)
        processes.append(process)
        if changes:
            return process
        wait_until(lambda: cache.get(TICK_KEY) or process.poll() is not None, 30)
        assert process.poll() is None
        return process

    yield start
    for process in processes:
        kill(process)


WORKER = [
    *[sys.executable, "-m", "celery", "-A", "emailsvc.celery:app", "--quiet", "worker"],
    *["-c", "1", "-Q", "critical,normal,bulk,webhooks,periodic"],
]


def worker_environment() -> dict[str, str]:
    """The test's own database, and time constants that a test can wait for."""
    values = connection.settings_dict
    user = f"{values['USER']}:{values['PASSWORD']}@" if values["USER"] else ""
    host = f"{quote(str(values['HOST']), safe='')}:{values['PORT'] or 5432}"
    return {
        "DATABASE_URL": f"postgresql://{user}{host}/{values['NAME']}",
        "TICK_SECONDS": "0.2",
        "LEASE_SECONDS": "1.5",
        "HEARTBEAT_SECONDS": "0.4",
        "LOG_LEVEL": "WARNING",
    }


def kill(process: subprocess.Popen[bytes]) -> None:
    """The worker and its children, at once, as a power cut would."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
