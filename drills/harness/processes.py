"""Processes that are not our children: who they are, whether they live, and their end (Linux: /proc)."""

import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Stat:
    """A process as the kernel tells of it."""

    pid: int
    state: str
    parent: int
    session: int

    @property
    def is_alive(self) -> bool:
        """One that has ended and was not reaped yet is not."""
        return self.state not in "ZX"


def read_stat(pid: int) -> Stat | None:
    """None when it is gone."""
    try:
        # The name, in brackets, may hold anything.
        state, parent, _, session = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[:4]
    except (OSError, ValueError):
        return None
    return Stat(pid, state, int(parent), int(session))


def is_alive(pid: int) -> bool:
    """Whether it runs."""
    stat = read_stat(pid)
    return stat is not None and stat.is_alive


def list_alive() -> list[Stat]:
    """Every process that runs."""
    stats = (read_stat(int(entry.name)) for entry in PROC.iterdir() if entry.name.isdecimal())
    return [stat for stat in stats if stat is not None and stat.is_alive]


def list_children(pid: int) -> list[int]:
    """The living children of a process, by number."""
    return sorted(stat.pid for stat in list_alive() if stat.parent == pid)


def list_family(pid: int) -> list[int]:
    """The process itself, and what lives of its session and of its descendants.

    Orphans are still of its session; PostgreSQL's children have sessions of their own.
    """
    alive = list_alive()
    family = [pid, *(stat.pid for stat in alive if stat.session == pid and stat.pid != pid)]
    for member in family:
        family += [stat.pid for stat in alive if stat.parent == member and stat.pid not in family]
    return family


def send(pids: Iterable[int], number: signal.Signals) -> None:
    """Signal each of them; who is gone is gone."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def find_peer(port: int, candidates: Iterable[int]) -> int | None:
    """Which of the candidates holds the TCP connection whose local port on loopback is `port`."""
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
    """How much memory it has now, in MB, pages shared with others too."""
    return read_memory(pid, "VmRSS")


def read_peak(pid: int) -> float:
    """The most that it had since `reset_peak`, in MB."""
    return read_memory(pid, "VmHWM")


def reset_peak(pid: int) -> None:
    (PROC / str(pid) / "clear_refs").write_text("5")


def read_memory(pid: int, name: str) -> float:
    """A line of /proc/<pid>/status in MB, 0 when the process is gone."""
    with suppress(OSError):
        for line in (PROC / str(pid) / "status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) / 1024
    return 0.0
