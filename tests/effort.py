"""Measures work independently of the machine and its load: tests do not rely on wall time."""

import sys
from collections.abc import Callable
from time import process_time
from types import FrameType
from typing import Any

# Linear work grows as the input, by 8 here; the square by 64.
SHARE = 8
MOST_GROWTH = 24.0
# Below it, what is measured is the machine.
LEAST_SECONDS = 0.01
TRIES = 5


def count_calls(action: Callable[[], Any]) -> int:
    """Calls of functions, of Python's and of C's, in this thread while `action` runs. The same number each time.

    What a single call of C does is not seen: a pattern that backtracks, for one.
    """
    count = 0

    def note(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        action()
    finally:
        sys.setprofile(before)
    return count


def assert_linear(action: Callable[[int], object], size: int) -> None:
    """`action(size)` takes about `SHARE` times as long as `action(size // SHARE)`: a ratio, which all machines share.

    A neighbour may slow one of the two down, so a bad ratio is measured again; work of the square is bad each time.
    """
    ratios = []
    for _ in range(TRIES):
        whole = measure(action, size)
        # No part counts for less than that, so its time would change nothing.
        if whole <= MOST_GROWTH * LEAST_SECONDS:
            return
        part = measure(action, size // SHARE)
        if whole <= MOST_GROWTH * part:
            return
        ratios.append(round(whole / part, 1))
    raise AssertionError(f"{SHARE} times the input took {ratios} times as long")


def measure(action: Callable[[int], object], size: int) -> float:
    begun = process_time()
    action(size)
    return process_time() - begun
