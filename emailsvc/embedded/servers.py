"""The embedded servers together: one data folder, one runtime folder, one user of the data at a time."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TextIO

from emailsvc.embedded.account import choose_account
from emailsvc.embedded.locks import locked
from emailsvc.embedded.postgres import FOLDER as POSTGRES_FOLDER
from emailsvc.embedded.postgres import await_postgres, build_postgres, database_url
from emailsvc.embedded.programs import Child, Program, start, stop
from emailsvc.embedded.runtime import runtime_folder
from emailsvc.embedded.valkey import await_valkey, build_valkey, redis_url

LOCK_NAME = "servers.lock"
# After a run was killed, its PostgreSQL needs a moment to end.
LOCK_SECONDS = 15.0


@dataclass(frozen=True, kw_only=True)
class ServerKind:
    """One server: its environment variable, and the functions that build it, wait for it and give its address."""

    variable: str
    build: Callable[..., Program]
    await_ready: Callable[[Path, Child], None]
    url: Callable[[Path], str]


KINDS = (
    ServerKind(variable="DATABASE_URL", build=build_postgres, await_ready=await_postgres, url=database_url),
    ServerKind(variable="REDIS_URL", build=build_valkey, await_ready=await_valkey, url=redis_url),
)


@dataclass(kw_only=True)
class Servers:
    """The servers of one data folder. Their addresses are known before they run."""

    data: Path
    runtime: Path
    kinds: tuple[ServerKind, ...]
    lock: TextIO
    is_durable: bool
    children: list[Child] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that give our programs their addresses."""
        return {kind.variable: kind.url(self.runtime) for kind in self.kinds}

    def begin(self) -> None:
        """Start the servers; they do not answer yet. Raises EmbeddedError if one cannot run here."""
        (self.data / "logs").mkdir(exist_ok=True)
        # PostgreSQL last: it takes longest, and the others start meanwhile.
        for kind in reversed(self.kinds):
            program = kind.build(self.data, self.runtime, is_durable=self.is_durable)
            # The servers inherit the lock: it is free when the last of their processes has ended, even if we die.
            program = replace(program, inherited=(*program.inherited, self.lock.fileno()))
            self.children.append(start(program))

    def await_ready(self) -> None:
        """Wait until they answer. Raises EmbeddedError if one ends instead."""
        for kind, child in zip(reversed(self.kinds), self.children, strict=True):
            kind.await_ready(self.runtime, child)

    def start(self) -> None:
        """Start the servers and wait until they answer. Raises EmbeddedError if one cannot run here."""
        self.begin()
        self.await_ready()


@contextmanager
def claimed_servers(data: Path, given: Mapping[str, str], *, is_durable: bool = True) -> Iterator[Servers]:
    """The servers that the environment `given` does not name, not yet started; they are stopped at the end.

    `data` is an existing folder. Raises EmbeddedError if another run uses it.
    """
    kinds = tuple(kind for kind in KINDS if not given.get(kind.variable))
    complaint = f"the servers of {data} are in use by another run, stop that first"
    with ExitStack() as stack:
        lock = stack.enter_context(locked(data / LOCK_NAME, seconds=LOCK_SECONDS, complaint=complaint))
        runtime = stack.enter_context(runtime_folder(choose_account(data / POSTGRES_FOLDER)))
        servers = Servers(data=data, runtime=runtime, kinds=kinds, lock=lock, is_durable=is_durable)
        stack.callback(lambda: stop(servers.children))
        yield servers


@contextmanager
def running_servers(data: Path, given: Mapping[str, str], *, is_durable: bool = True) -> Iterator[Servers]:
    """As `claimed_servers`, but started."""
    with claimed_servers(data, given, is_durable=is_durable) as servers:
        servers.start()
        yield servers
