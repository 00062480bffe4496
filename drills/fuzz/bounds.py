"""What one input may cost: processor time and memory, both in proportion to its size, which is limited.

An input that is over its time is interrupted, so that a search that never ends is found as well.
"""

import resource
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

MAX_INPUT_BYTES = 64 * 1024
# Of the whole process, for one input: far above what any reader needs under the counters of a fuzzer.
CPU_SECONDS = 3.0
MEMORY_BYTES = 128 * 1024 * 1024


class OverBoundsError(Exception):
    """An input took more processor time or memory than it may."""


def read_within_bounds(read: Callable[[bytes], object], data: bytes) -> None:
    """Read one input. Raises what `read` raises, and OverBoundsError. Only for the main thread."""
    began, peak = time.process_time(), find_peak()
    with interrupted_after(CPU_SECONDS):
        read(data)
    if (seconds := time.process_time() - began) > CPU_SECONDS:
        raise OverBoundsError(f"{len(data)} bytes took {seconds:.1f} s of a processor")
    if (growth := find_peak() - peak) > MEMORY_BYTES:
        raise OverBoundsError(f"{len(data)} bytes took {growth >> 20} MiB of memory")


def find_peak() -> int:
    """The most memory that this process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@contextmanager
def interrupted_after(seconds: float) -> Iterator[None]:
    """OverBoundsError in the body once the process has used so much processor time."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise OverBoundsError(f"it was interrupted after {seconds:g} s of a processor")

    previous = signal.signal(signal.SIGPROF, interrupt)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, previous)
