"""What is going on, told on stderr while it takes its time.

A terminal has one line that is written anew; elsewhere a line comes now and then. `run` reads this before anything is
installed, with whatever Python there is: it needs the standard library alone,
and is spelt so that an older Python can read it.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from typing import TextIO

# How long one state stands before it is told anew.
TERMINAL_STEP = 0.2
PLAIN_STEP = 10.0
# Back to the line's start, and clear it.
CLEAR = "\r\033[K"


class Progress:
    """One piece of work: told when it begins, while it lasts, and when it has ended."""

    def __init__(
        self, title: str, *, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._title = title
        self._stream = stream or sys.stderr
        self._clock = clock
        self._is_terminal = self._stream.isatty()
        self._begun_at = clock()
        self._told_at = self._begun_at
        self._write(title)

    def show(self, state: str) -> None:
        """Tell how far it is, unless something was told a moment ago."""
        if self._clock() - self._told_at >= (TERMINAL_STEP if self._is_terminal else PLAIN_STEP):
            self.enter(state)

    def enter(self, state: str) -> None:
        """Tell of a new state at once."""
        self._told_at = self._clock()
        self._write(f"{self._title}: {state}, {self._told_at - self._begun_at:.0f} s")

    def end(self) -> None:
        """Tell how long it took, in a line that stays."""
        self._write(f"{self._title}: done in {self._clock() - self._begun_at:.0f} s")
        if self._is_terminal:
            self._stream.write("\n")
            self._stream.flush()

    def _write(self, text: str) -> None:
        if self._is_terminal:
            self._stream.write(CLEAR + text[: shutil.get_terminal_size().columns - 1])
        else:
            self._stream.write(f"{text}\n")
        self._stream.flush()


def print_line(text: object, *, stream: TextIO | None = None) -> None:
    """A line of its own, in place of a progress that a terminal shows."""
    stream = stream or sys.stderr
    stream.write(f"{CLEAR if stream.isatty() else ''}{text}\n")
    stream.flush()
