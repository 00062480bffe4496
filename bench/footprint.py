"""`./run` with everything up: memory, processes and processor time when idle, and the cost of a first and a warm start.

Measured in a copy of this tree with caches of its own, so the first start fetches every package from the index.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.measure import Options

ROOT = Path(__file__).resolve().parent.parent
PROC = Path("/proc")
READY_SECONDS = 600.0
WARM_STARTS = 3
# After a start: first ticks, connections and the first rounds of beat are over.
SETTLE_SECONDS = 20.0
IDLE_SECONDS = 60.0
# Settings of a caller's installation would change what is started.
NOT_GIVEN = ("DATABASE_URL", "REDIS_URL", "BROKER_URL", "PUBLIC_URL", "PROVIDER_URL", "EMAILSVC_VENV", "VIRTUAL_ENV")
WANTED = {"first start": "≤ 35 CPU s, ≤ 60 s", "warm start": "≤ 5 s", "idle": "≤ 400 MB PSS, ≤ 1 % of one core"}


@dataclass(frozen=True, kw_only=True)
class Start:
    """What it took from the command to `ready.json`."""

    wall_seconds: float
    cpu_seconds: float


def run(options: Options) -> None:
    if not (PROC / "self/smaps_rollup").exists():
        print("  skipped: needs /proc/*/smaps_rollup (Linux)")
        return
    with tempfile.TemporaryDirectory(prefix="emailsvc-bench-") as folder:
        place = Path(folder)
        copy_tree(place / "clone")
        environment = build_environment(place)
        with running(place, options, environment) as (first, _):
            tell("first start", first)
        starts = []
        for number in range(WARM_STARTS):
            with running(place, options, environment) as (warm, pid):
                starts.append(warm)
                if number == WARM_STARTS - 1:
                    tell("warm start", middle(starts))
                    tell_idle(pid)


def copy_tree(target: Path) -> None:
    """The files of this tree that git knows or would add, as a fresh clone has them."""
    said = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    for name in filter(None, said.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)


def build_environment(place: Path) -> dict[str, str]:
    caches = {name: str(place / "cache" / name) for name in ("PIP_CACHE_DIR", "UV_CACHE_DIR", "XDG_CACHE_HOME")}
    given = {name: value for name, value in os.environ.items() if name not in NOT_GIVEN}
    # Inside our virtual environment `python3` would be ours.
    search = os.pathsep.join(
        part for part in given["PATH"].split(os.pathsep) if part != str(Path(sys.executable).parent)
    )
    return {**given, **caches, "PATH": search}


@contextmanager
def running(place: Path, options: Options, environment: Mapping[str, str]) -> Iterator[tuple[Start, int]]:
    """The service from a start to its stop; the cost of the start, and the number of its first process."""
    ready = place / "data/ready.json"
    python = getattr(sys, "_base_executable", sys.executable)
    begun_at = time.monotonic()
    with subprocess.Popen(
        [python, str(place / "clone/run"), "--data", str(place / "data"), "--port", str(options.port or 0)],
        env=dict(environment),
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    ) as process:
        try:
            while not ready.exists():
                if process.poll() is not None or time.monotonic() - begun_at > READY_SECONDS:
                    raise RuntimeError(f"it did not start: {process.stderr and process.stderr.read()}")
                time.sleep(0.02)
            wall_seconds = time.monotonic() - begun_at
            yield Start(wall_seconds=wall_seconds, cpu_seconds=cpu_seconds(process.pid)), process.pid
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate()


def middle(starts: list[Start]) -> Start:
    return Start(
        wall_seconds=median(start.wall_seconds for start in starts),
        cpu_seconds=median(start.cpu_seconds for start in starts),
    )


def tell(title: str, start: Start) -> None:
    print(
        f"  {title:<12} {start.cpu_seconds:6.1f} CPU s {start.wall_seconds:6.1f} s      wanted {WANTED[title]}",
        flush=True,
    )


def tell_idle(pid: int) -> None:
    time.sleep(SETTLE_SECONDS)
    before, begun_at = cpu_by_process(pid), time.monotonic()
    time.sleep(IDLE_SECONDS)
    after, seconds = cpu_by_process(pid), time.monotonic() - begun_at
    memory = {member: pss_megabytes(member) for member in list_descendants(pid)}
    used = {member: after[member] - before.get(member, 0.0) for member in after}
    # What an ended child had used before is in its parent's figure now: all that was used before counts, not only what
    # those who still live had used.
    share = (sum(after.values()) - sum(before.values())) / seconds * 100
    print(
        f"  {'idle':<12} {sum(memory.values()):6.1f} MB PSS {len(memory):3} processes {share:5.2f} % of one core"
        f"      wanted {WANTED['idle']}"
    )
    for member in sorted(memory, key=lambda member: -memory[member]):
        print(
            f"    {memory[member]:7.1f} MB {used.get(member, 0.0) / seconds * 100:5.2f} %  {describe(member)[:90]}",
            flush=True,
        )


def list_descendants(root: int) -> list[int]:
    """The living descendants of a process, itself included."""
    parents = {}
    for stat in PROC.glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    found = [root]
    for member in found:
        found += [number for number, parent in parents.items() if parent == member]
    return found


def cpu_by_process(root: int) -> dict[int, float]:
    """Seconds of user and system time of each living descendant, and of its own ended children."""
    used = {}
    for member in list_descendants(root):
        with suppress(OSError):
            # proc(5): utime, stime, cutime, cstime are fields 14 to 17.
            fields = (PROC / str(member) / "stat").read_text().rpartition(")")[2].split()
            used[member] = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return used


def cpu_seconds(root: int) -> float:
    return sum(cpu_by_process(root).values())


def pss_megabytes(pid: int) -> float:
    """Proportional share of memory in MB (10^6 bytes); 0 if the process has ended."""
    with suppress(OSError):
        for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def describe(pid: int) -> str:
    with suppress(OSError):
        words = (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
        return words.replace(f"{tempfile.gettempdir()}/", "") or (PROC / str(pid) / "comm").read_text().strip()
    return "ended"
