"""A small process that tidies up after us when we are killed and cannot do it ourselves.

Run as `python -I -S janitor.py LOCK PATH…`, it waits for the end of its input, which comes when we are gone, and
removes the paths. It must start quickly and need nothing of ours.
"""

import fcntl
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def janitor(lock: Path, *paths: Path) -> Iterator[None]:
    """While this lasts, our sudden death removes the paths, unless somebody else has the lock file by then."""
    words = [sys.executable, "-I", "-S", __file__, str(lock), *map(str, paths)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, cwd="/", start_new_session=True) as process:
        try:
            yield
        finally:
            process.kill()


def main() -> None:
    lock, *paths = map(Path, sys.argv[1:])
    sys.stdin.read()
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            # The next run is there already, and has tidied up for itself.
            return
        for path in paths:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
