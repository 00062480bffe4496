"""A helper program that is told what to do by lines on its stdin, and answers each with a line."""

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from bench.service import ROOT


class ProgramError(Exception):
    """The program ended where it should have answered."""


class Talker:
    """A running helper program."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.pid = process.pid

    def tell(self, line: str) -> None:
        """Send a line and wait for the answer. Raises ProgramError if the program has ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise ProgramError(f"{self._process.args!r} ended with {self._process.wait()}") from None
        if self._process.stdout.readline().strip() != "done":
            raise ProgramError(f"{self._process.args!r} ended with {self._process.wait()} during {line!r}")


@contextmanager
def talking(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[Talker]:
    """Start a helper program; at the end its stdin is closed, which ends it."""
    process = subprocess.Popen(
        command, cwd=ROOT, env=dict(environment), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield Talker(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
