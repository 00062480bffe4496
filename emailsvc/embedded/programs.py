"""Programs that run beside us: started quietly in a session of their own, and unable to outlive us."""

import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from emailsvc.embedded.account import Account
from emailsvc.embedded.leash import die_with_parent


@dataclass(frozen=True, kw_only=True)
class Program:
    """What to run, as whom, and how to end it.

    `stop_signal` asks for an orderly end; after `stop_seconds` the whole process group is killed. `death_signal` is
    what the kernel sends when we die without having stopped it (Linux only).
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


def start(program: Program) -> subprocess.Popen[bytes]:
    """The started process. Call it from the main thread: the kernel takes the end of the forking thread for ours."""
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
            # Runs after the change of user, which clears the parent-death signal.
            preexec_fn=partial(die_with_parent, os.getpid(), program.death_signal),
        )


def has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether the process has ended; if so, what it left in its process group is killed."""
    if process.returncode is not None:
        return True
    ended = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    if ended is None:
        return False
    # Before it is reaped: until then no other process can have its number.
    kill_group(process)
    process.wait()
    return True


def kill_group(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        # PermissionError: macOS, when only the zombie itself is left.
        return


def stop(running: Iterable[tuple[Program, subprocess.Popen[bytes]]]) -> list[str]:
    """End all of them together, each within its `stop_seconds`. The names of those that had to be killed."""
    waiting = list(running)
    begun_at = time.monotonic()
    for program, process in waiting:
        if not has_ended(process):
            process.send_signal(program.stop_signal)
    killed = []
    while waiting := [(program, process) for program, process in waiting if not has_ended(process)]:
        for program, process in waiting:
            if time.monotonic() - begun_at > program.stop_seconds and program.name not in killed:
                kill_group(process)
                killed.append(program.name)
        time.sleep(0.02)
    return killed


def tail(log: Path, *, lines: int = 15) -> str:
    """The last lines of a log, for the person who must see why something died."""
    with log.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 16384))
        return "\n".join(file.read().decode("utf-8", "replace").splitlines()[-lines:])
