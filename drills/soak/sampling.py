"""Measures each program of the stack every few seconds: memory, descriptors, connections; and the disk."""

import os
import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self

from drills.harness.processes import PROC, list_family, read_memory
from drills.harness.stack import Stack
from drills.soak.curves import Bound, Curve

SERVERS = ("postgres", "valkey")
# A program that has been killed begins anew: its curve has gaps downwards, which do not matter to its growth.
BOUNDS: Mapping[str, tuple[str, Bound]] = {
    "memory": ("MB", Bound(share=0.25, room=32.0)),
    "descriptors": ("", Bound(share=0.25, room=24.0)),
    "connections": ("", Bound(share=0.25, room=16.0)),
}
MB = 1024 * 1024


class Sampler:
    """Samples in a thread of its own, until left: `with Sampler(…) as sampler`."""

    def __init__(self, stack: Stack, seconds: float) -> None:
        self._stack = stack
        self._seconds = seconds
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.values: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
        self.disk: list[float] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._is_over.wait(self._seconds):
            self.sample()

    def sample(self) -> None:
        """One sample of all that runs now."""
        families: defaultdict[str, set[int]] = defaultdict(set)
        for pid, name in self._stack.list_programs():
            families[name] |= set(list_family(pid))
        for name in SERVERS:
            families[name] |= set(list_family(self._stack.find_server(name).process.pid))
        for name, pids in families.items():
            for figure, value in measure(pids).items():
                self.values[name, figure].append(value)
        self.disk.append(measure_folder(self._stack.ground.data) / MB)

    def list_curves(self, disk_bound: Bound) -> list[Curve]:
        """The curves of all programs by name, and the disk's."""
        curves = [
            Curve(name=f"{name} {figure}", unit=BOUNDS[figure][0], values=values, bound=BOUNDS[figure][1])
            for (name, figure), values in sorted(self.values.items())
        ]
        return [*curves, Curve(name="disk", unit="MB", values=self.disk, bound=disk_bound)]


def measure(pids: Iterable[int]) -> dict[str, float]:
    """Memory of its own, descriptors and sockets of all these processes together."""
    memory, descriptors, connections = 0.0, 0, 0
    for pid in pids:
        memory += read_memory(pid, "RssAnon")
        names = list_descriptors(pid)
        descriptors += len(names)
        connections += sum(name.startswith("socket:") for name in names)
    return {"memory": memory, "descriptors": descriptors, "connections": connections}


def list_descriptors(pid: int) -> list[str]:
    """What a process has open; nothing if it is gone."""
    names = []
    with suppress(OSError):
        for descriptor in (PROC / str(pid) / "fd").iterdir():
            with suppress(OSError):
                names.append(str(descriptor.readlink()))
    return names


def measure_folder(folder: Path) -> int:
    """Bytes of all files in a folder. PostgreSQL's log is left out: its size is bounded by a setting."""
    total = 0
    for path, folders, files in os.walk(folder):
        if "pg_wal" in folders:
            folders.remove("pg_wal")
        for name in files:
            with suppress(OSError):
                total += (Path(path) / name).lstat().st_blocks * 512
    return total
