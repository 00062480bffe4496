"""Commands that are run for what they say, by `run` too: before anything is installed, and by an older Python."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

# How often a command that is followed is looked at.
STEP_SECONDS = 0.2


def does_succeed(command: Sequence[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def capture(command: Sequence[str], folder: Path) -> tuple[int, str]:
    """The exit status, and the last line that was said."""
    return follow(command, folder, lambda _said: None)


def follow(command: Sequence[str], folder: Path, look: Callable[[str], None]) -> tuple[int, str]:
    """As `capture`; meanwhile `look` gets all that was said so far, some times a second."""
    with tempfile.TemporaryFile() as said:
        started = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT)
        with started as process:
            try:
                while not has_ended(process):
                    look(read_all(said))
            except BaseException:
                process.kill()
                raise
        lines = read_all(said).strip().splitlines() or ["nothing"]
        return process.returncode, lines[-1].strip()


def has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether the process ends within a step."""
    try:
        process.wait(STEP_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return True


def read_all(file: BinaryIO) -> str:
    # The command writes at an offset that is ours too: what has come is read without moving it.
    number = file.fileno()
    return os.pread(number, os.fstat(number).st_size, 0).decode("utf-8", "replace")
