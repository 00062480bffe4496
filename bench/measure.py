"""Time several ways of one operation, interleaved round by round, and print them as a table of ratios.

Interleaving spreads the machine's other work over all sides; median, least and most show its extent.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

ROUNDS = 15
ROUND_SECONDS = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Options of the command line for a benchmark's `run`: the folder for servers that it starts, and those of `peers`.

    `rounds` is None for the benchmark's own number; `only` names rows, none for all.
    """

    port: int | None = None
    data: Path | None = None
    rounds: int | None = None
    only: Sequence[str] = ()
    is_quick: bool = False
    is_check: bool = False
    json: Path | None = None


def microseconds(sides: Mapping[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, list[float]]:
    """Each side's microseconds per call, one figure per round; calls are repeated to fill some milliseconds."""
    counts = {name: repeats(call) for name, call in sides.items()}
    figures: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, call in sides.items():
            figures[name].append(time_calls(call, counts[name]))
    return figures


def repeats(call: Callable[[], object]) -> int:
    """The number of calls that fill a round; the first call, which warms caches, does not count."""
    call()
    return max(1, int(ROUND_SECONDS / (time_calls(call, 3) / 1e6)))


def time_calls(call: Callable[[], object], count: int) -> float:
    start = perf_counter()
    for _ in range(count):
        call()
    return (perf_counter() - start) / count * 1e6


def compare(title: str, ours: str, sides: Mapping[str, Callable[[], object]]) -> dict[str, list[float]]:
    """Measure `sides` and print for each its median [least-most] in microseconds and its ratio to ours."""
    figures = microseconds(sides)
    print(f"  {title}")
    for name, values in figures.items():
        ratios = [theirs / own for theirs, own in zip(values, figures[ours], strict=True)]
        print(
            f"    {name:<44} {median(values):>9.1f} µs [{min(values):.1f}-{max(values):.1f}]"
            f"   ×{median(ratios):.1f} [{min(ratios):.1f}-{max(ratios):.1f}]"
        )
    return figures


def session_cpu_seconds(session_id: int) -> float | None:
    """User and system time of all processes of a session, ended ones included; None without /proc.

    Unlike wall time it does not grow with the machine's other work.
    """
    if not Path("/proc/self/stat").exists():
        return None
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # a process that has just ended
            # proc(5): behind the name in brackets state, parent, group, session; 9 fields later the four times.
            fields = stat.read_bytes().rpartition(b")")[2].split()
            if int(fields[3]) == session_id:
                ticks += sum(int(field) for field in fields[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")
