"""CPU time and memory of process trees, and the description of the machine. Needs Linux's /proc; None elsewhere."""

import os
import platform
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A row of /proc: `ticks` counts the process and its children that have ended and were waited for."""

    pid: int
    parent: int
    ticks: int


def read_processes() -> dict[int, Process]:
    found = {}
    for stat in PROC.glob("[0-9]*/stat"):
        with suppress(OSError):  # a process that has just ended
            # proc(5): behind the name in brackets state, parent, group, session; 9 fields later the four times.
            fields = stat.read_bytes().rpartition(b")")[2].split()
            pid = int(stat.parent.name)
            found[pid] = Process(pid=pid, parent=int(fields[1]), ticks=sum(int(field) for field in fields[11:15]))
    return found


def list_tree(root: int) -> list[Process]:
    """A process and all that descend from it now."""
    processes = read_processes()
    children = defaultdict(list)
    for process in processes.values():
        children[process.parent].append(process.pid)
    return [processes[pid] for pid in _walk(root, children) if pid in processes]


def _walk(pid: int, children: dict[int, list[int]]) -> Iterator[int]:
    yield pid
    for child in children.get(pid, ()):
        yield from _walk(child, children)


def cpu_seconds(*roots: int) -> float | None:
    """User and system time of process trees, including their members that have ended."""
    if not (PROC / "self/stat").exists():
        return None
    return sum(process.ticks for root in roots for process in list_tree(root)) / os.sysconf("SC_CLK_TCK")


def pss_mb(pid: int) -> float | None:
    """A process's proportional set size: pages that n processes share count 1/n for each."""
    with suppress(OSError):
        for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return None


def describe_machine() -> dict[str, object]:
    return {"processors": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()}
