"""Real servers for the tests: pytest loads this before anything reads Django's settings (`-p` in pyproject.toml).

A server that the environment names (DATABASE_URL, REDIS_URL) is used; what is missing is started in a temporary folder
and ends with the run, even when the run is killed. Workers of pytest-xdist inherit the environment and start nothing.
"""

import gc
import os
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from cryptography.fernet import Fernet

from emailsvc.embedded.errors import EmbeddedError
from emailsvc.embedded.runtime import runtime_folder
from emailsvc.embedded.servers import running_servers
from tests.compiling import begin_compiling
from tests.database_template import begin_template

DEFAULTS = {
    "SECRET_KEY": "only-for-tests-" + "0" * 40,
    "ENCRYPTION_KEYS": Fernet.generate_key().decode(),
}

# Objects until the youngest are looked through, and how many looks at one generation until one at the next.
GARBAGE_LIMITS = (20_000, 20, 100)


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Iterator[None]:
    """Prepare the environment. A wrapper, so that it comes before pytest-django, which reads the settings here."""
    # What is imported and collected stays until the end: looking through it for garbage is in vain.
    gc.disable()
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    if worker := os.environ.get("PYTEST_XDIST_WORKER"):
        separate_worker(worker)
    else:
        start_missing(early_config)
    return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> None:
    """Everything is collected. Tests leave little garbage in cycles: a 24th of their time was a search for it."""
    gc.freeze()
    gc.set_threshold(*GARBAGE_LIMITS)
    gc.enable()


def start_missing(early: pytest.Config) -> None:
    """Start the servers that the environment does not name, until pytest's last cleanup."""
    arguments = early.known_args_namespace
    compiling = begin_compiling(arguments.file_or_dir) if arguments.numprocesses else []
    stack = ExitStack()
    early.add_cleanup(stack.close)
    # Not pytest's own temporary folder: that one is kept after the run, and PostgreSQL's data is large.
    data = stack.enter_context(runtime_folder(None))
    try:
        running = stack.enter_context(running_servers(data, os.environ, is_durable=False))
    except EmbeddedError as error:
        raise pytest.UsageError(str(error)) from error
    os.environ.update(running.environment)
    os.environ["TEST_POSTGRES_LOG"] = str(data / "logs" / "postgres.log")
    for program in compiling:
        program.wait()
    if arguments.numprocesses:
        begin_template(stack)


def separate_worker(worker: str) -> None:
    """Give each worker a database of its own in our Valkey; pytest-django does so in PostgreSQL."""
    url = os.environ["REDIS_URL"]
    if url.startswith("unix://") and "?" not in url:
        os.environ["REDIS_URL"] = f"{url}?db={int(worker.removeprefix('gw')) + 1}"
