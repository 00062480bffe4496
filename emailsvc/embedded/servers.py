"""The embedded servers as a whole: one folder of data, one runtime folder, nobody else at the same data."""

import fcntl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

from emailsvc.embedded.account import choose_account
from emailsvc.embedded.errors import EmbeddedError
from emailsvc.embedded.postgres import FOLDER as POSTGRES_FOLDER
from emailsvc.embedded.postgres import await_postgres, build_postgres, database_url
from emailsvc.embedded.programs import Child, Program, start, stop
from emailsvc.embedded.runtime import runtime_folder
from emailsvc.embedded.valkey import await_valkey, build_valkey, redis_url

LOCK_NAME = "servers.lock"
# An earlier run that was killed leaves PostgreSQL a moment to end by itself.
LOCK_SECONDS = 15.0


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One server: the variable that names it, and how it is built, awaited and addressed."""

    variable: str
    build: Callable[..., Program]
    await_ready: Callable[[Path, Child], None]
    url: Callable[[Path], str]


KINDS = (
    Kind(variable="DATABASE_URL", build=build_postgres, await_ready=await_postgres, url=database_url),
    Kind(variable="REDIS_URL", build=build_valkey, await_ready=await_valkey, url=redis_url),
)


@dataclass(frozen=True, kw_only=True)
class Running:
    """The started servers: what to watch, and the variables that name them to our programs."""

    children: tuple[Child, ...]
    environment: Mapping[str, str]


@contextmanager
def running_servers(data: Path, given: Mapping[str, str], *, is_durable: bool = True) -> Iterator[Running]:
    """Start the servers that the environment `given` does not name; stop them afterwards, last one first.

    `data` is an existing folder. Raises EmbeddedError when a server cannot run here, or another run is using `data`.
    """
    wanted = [kind for kind in KINDS if not given.get(kind.variable)]
    if not wanted:
        yield Running(children=(), environment={})
        return
    with ExitStack() as stack:
        lock = stack.enter_context(locked(data / LOCK_NAME, seconds=LOCK_SECONDS))
        runtime = stack.enter_context(runtime_folder(choose_account(data / POSTGRES_FOLDER)))
        (data / "logs").mkdir(exist_ok=True)
        started: list[Child] = []
        stack.callback(lambda: stop(reversed(started)))
        for kind in reversed(wanted):
            program = kind.build(data, runtime, is_durable=is_durable)
            # The lock is theirs too: it is free when the last of their processes is gone, whatever became of us.
            program = replace(program, inherited=(*program.inherited, lock.fileno()))
            started.append(start(program))
        for kind, child in zip(reversed(wanted), started, strict=True):
            kind.await_ready(runtime, child)
        yield Running(children=tuple(started), environment={kind.variable: kind.url(runtime) for kind in wanted})


@contextmanager
def locked(path: Path, *, seconds: float) -> Iterator[TextIO]:
    """Hold the lock file `path`; raises EmbeddedError when another process still has it after `seconds`."""
    with path.open("a+") as lock:
        deadline = time.monotonic() + seconds
        while not try_lock(lock):
            if time.monotonic() > deadline:
                raise EmbeddedError(f"the servers of {path.parent} are in use by another run; stop that first")
            time.sleep(0.05)
        yield lock


def try_lock(lock: TextIO) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
