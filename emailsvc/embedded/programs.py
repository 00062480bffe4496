"""Programs that run beside us: each in a session of its own, with its output in a log, and ended when we end."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

from emailsvc.embedded.account import Account
from emailsvc.embedded.parent_death import die_with_parent


class Process(Protocol):
    """A child of ours. `returncode` is None until it was waited for; a negative one is the number of a signal."""

    @property
    def pid(self) -> int: ...

    @property
    def returncode(self) -> int | None: ...

    def wait(self) -> int: ...

    def send_signal(self, sig: int) -> None: ...

    def kill(self) -> None: ...


def spawn(program: "Program") -> Process:
    """Start the program by its command line."""
    with program.log.open("ab") as log:
        return subprocess.Popen(
            program.arguments,
            env=dict(program.environment),
            cwd=program.folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=program.inherited,
            user=program.account.uid if program.account else None,
            group=program.account.gid if program.account else None,
            extra_groups=[] if program.account else None,
            preexec_fn=partial(die_with_parent, os.getpid(), program.death_signal),
        )


@dataclass(frozen=True, kw_only=True)
class Program:
    """A command line, the user that runs it, and the ways to start and to stop it.

    `stop_signal` asks for an orderly end; after `stop_seconds` the whole process group is killed. The kernel sends
    `death_signal` if we die before we have stopped it (Linux only).
    """

    name: str
    arguments: tuple[str, ...]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path = Path("/")
    account: Account | None = None
    inherited: tuple[int, ...] = ()
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 3.0
    death_signal: signal.Signals = signal.SIGKILL
    begin: Callable[["Program"], Process] = spawn


@dataclass(kw_only=True)
class Child:
    """A program, its current process, and the length of its log before that process started."""

    program: Program
    process: Process
    log_start: int


def start(program: Program) -> Child:
    """The started program. Call it from the main thread: the kernel treats the end of the forking thread as our end."""
    return Child(program=program, log_start=log_size(program.log), process=program.begin(program))


def restart(child: Child) -> None:
    """Start a new process for a program whose process has ended."""
    child.log_start = log_size(child.program.log)
    child.process = child.program.begin(child.program)


def log_size(log: Path) -> int:
    return log.stat().st_size if log.exists() else 0


def has_ended(child: Child) -> bool:
    """Whether the process has ended; if so, the rest of its process group is killed."""
    process = child.process
    if process.returncode is not None:
        return True
    if os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        return False
    # Before the process is reaped: until then no other process can have its number.
    kill_group(child)
    process.wait()
    return True


def kill_group(child: Child) -> None:
    # PermissionError: macOS, if only the zombie itself is left.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.process.pid, signal.SIGKILL)


def stop(children: Iterable[Child]) -> list[str]:
    """Stop all programs at once, each within its `stop_seconds`. Returns the names of those that had to be killed."""
    waiting = [child for child in children if not has_ended(child)]
    for child in waiting:
        child.process.send_signal(child.program.stop_signal)
    begun_at = time.monotonic()
    killed: list[str] = []
    while waiting := [child for child in waiting if not has_ended(child)]:
        for child in waiting:
            if time.monotonic() - begun_at > child.program.stop_seconds and child.program.name not in killed:
                kill_group(child)
                killed.append(child.program.name)
        time.sleep(0.02)
    return killed


def tail(child: Child, *, lines: int = 15) -> str:
    """The last lines of the process's log, which show why it died."""
    with child.program.log.open("rb") as log:
        end = log.seek(0, os.SEEK_END)
        # A log that was trimmed meanwhile is shorter than at the start.
        begin = child.log_start if child.log_start <= end else 0
        log.seek(max(begin, end - 16384))
        return "\n".join(log.read().decode("utf-8", "replace").splitlines()[-lines:])
