"""A small process that cleans up after us when we are killed and cannot clean up ourselves.

It is a shell, which needs little memory: it waits for the end of its input, which comes when we end, and becomes
`python -I -S cleanup.py LOCK PATH…`, which removes the paths. It must start quickly, so it imports nothing of ours.
"""

import fcntl
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

WAIT = 'read -r _; exec "$0" -I -S "$@"'


@contextmanager
def cleanup_process(lock: Path, *paths: Path) -> Iterator[None]:
    """While this context lasts, our sudden death removes the paths, unless another process has the lock by then."""
    words = ["/bin/sh", "-c", WAIT, sys.executable, __file__, str(lock), *map(str, paths)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, cwd="/", start_new_session=True) as process:
        try:
            yield
        finally:
            process.kill()


def main() -> None:
    lock, *paths = map(Path, sys.argv[1:])
    with lock.open("a") as file:
        if not is_ours(file):
            # The next run has started already and has cleaned up itself.
            return
        for path in paths:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def is_ours(file: TextIO) -> bool:
    """Whether the lock is free. The kernel closes a dead process's files one by one, perhaps our input first."""
    for _ in range(50):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.02)
        else:
            return True
    return False


if __name__ == "__main__":
    main()
