"""Processes that are not our children: identification, liveness, and termination (Linux: /proc)."""

import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Stat:
    """A process as described by the kernel."""

    pid: int
    state: str
    parent: int
    session: int

    @property
    def is_alive(self) -> bool:
        """False for a process that has ended and is not yet reaped."""
        return self.state not in "ZX"


def read_stat(pid: int) -> Stat | None:
    """None if the process is gone."""
    try:
        # The name, in brackets, may contain any character.
        state, parent, _, session = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[:4]
    except (OSError, ValueError):
        return None
    return Stat(pid, state, int(parent), int(session))


def is_alive(pid: int) -> bool:
    """Whether the process runs."""
    stat = read_stat(pid)
    return stat is not None and stat.is_alive


def list_alive() -> list[Stat]:
    """Every running process."""
    stats = (read_stat(int(entry.name)) for entry in PROC.iterdir() if entry.name.isdecimal())
    return [stat for stat in stats if stat is not None and stat.is_alive]


def list_children(pid: int) -> list[int]:
    """The living children of a process, by number."""
    return sorted(stat.pid for stat in list_alive() if stat.parent == pid)


def list_family(pid: int) -> list[int]:
    """The process itself, with the living members of its session and its living descendants.

    Orphans are still in its session; PostgreSQL's children have their own sessions.
    """
    alive = list_alive()
    family = [pid, *(stat.pid for stat in alive if stat.session == pid and stat.pid != pid)]
    for member in family:
        family += [stat.pid for stat in alive if stat.parent == member and stat.pid not in family]
    return family


def send(pids: Iterable[int], number: signal.Signals) -> None:
    """Signal each process; ignore those that are gone."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def find_peer(port: int, candidates: Iterable[int]) -> int | None:
    """The candidate that holds the TCP connection with the local loopback port `port`."""
    for line in (PROC / "net" / "tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if int(fields[1].rpartition(":")[2], 16) == port and fields[9] != "0":
            return next((pid for pid in candidates if holds(pid, f"socket:[{fields[9]}]")), None)
    return None


def holds(pid: int, name: str) -> bool:
    """Whether one of the process's descriptors is `name`."""
    with suppress(OSError):
        for descriptor in (PROC / str(pid) / "fd").iterdir():
            with suppress(OSError):
                if str(descriptor.readlink()) == name:
                    return True
    return False


def read_size(pid: int) -> float:
    """Current memory in MB, shared pages included."""
    return read_memory(pid, "VmRSS")


def read_peak(pid: int) -> float:
    """Peak memory since `reset_peak`, in MB."""
    return read_memory(pid, "VmHWM")


def reset_peak(pid: int) -> None:
    (PROC / str(pid) / "clear_refs").write_text("5")


def read_memory(pid: int, name: str) -> float:
    """A line of /proc/<pid>/status in MB, 0 if the process is gone."""
    with suppress(OSError):
        for line in (PROC / str(pid) / "status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) / 1024
    return 0.0
