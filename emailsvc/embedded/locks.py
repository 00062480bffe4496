"""Lock files: held by a process while it lives, and by processes that inherit the descriptor."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from emailsvc.embedded.errors import EmbeddedError


class InUseError(EmbeddedError):
    """Another process uses the data folder."""


@contextmanager
def locked(path: Path, *, seconds: float, complaint: str) -> Iterator[TextIO]:
    """Hold the lock file `path`, which contains the holder's process id.

    Raises InUseError with the complaint and the holder if another process still holds it after `seconds`.
    """
    with path.open("a+") as lock:
        deadline = time.monotonic() + seconds
        while not try_lock(lock.fileno()):
            if time.monotonic() > deadline:
                lock.seek(0)
                raise InUseError(f"{complaint}: process {lock.read().strip()}")
            time.sleep(0.05)
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield lock


def is_locked(path: Path) -> bool:
    """Whether a living process holds the lock file. Raises FileNotFoundError if the file does not exist."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        return not try_lock(descriptor)
    finally:
        os.close(descriptor)


def try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
