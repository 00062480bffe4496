"""The runtime folder: a private folder with a short path, for sockets (and for binaries that must be copied)."""

import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from emailsvc.embedded.account import Account, give
from emailsvc.embedded.errors import EmbeddedError
from emailsvc.embedded.locks import is_locked

PREFIX = "emailsvc-"
LOCK_NAME = "lock"
SOCKET_PATH_LIMIT = 103  # sun_path holds 108 bytes on Linux and 104 on macOS, with the final NUL
LONGEST_NAME = "/.s.PGSQL.5432.lock"
NEW_SECONDS = 60


@contextmanager
def runtime_folder(account: Account | None) -> Iterator[Path]:
    """A folder that only the servers' user (and root) can enter; it is removed at the end."""
    base = choose_base(account)
    sweep(base, account)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
    try:
        with (folder / LOCK_NAME).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            give(folder, account)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def choose_base(account: Account | None) -> Path:
    """The system's temporary folder, or /tmp if its path is too long for a socket or closed to the account."""
    for base in (Path(tempfile.gettempdir()), Path("/tmp")):  # noqa: S108 - mkdtemp makes it 0700, under a random name
        longest = len(os.fsencode(base)) + len(f"/{PREFIX}12345678{LONGEST_NAME}")
        is_open = account is None or all(folder.stat().st_mode & stat.S_IXOTH for folder in (base, *base.parents))
        if longest <= SOCKET_PATH_LIMIT and is_open and os.access(base, os.W_OK | os.X_OK):
            return base
    raise EmbeddedError("no writable temporary folder with a path short enough for a socket; set TMPDIR")


def sweep(base: Path, account: Account | None) -> None:
    """Remove the runtime folders of killed runs: our own user's, and not locked."""
    owners = {os.geteuid(), account.uid if account else os.geteuid()}
    for folder in base.glob(f"{PREFIX}*"):
        try:
            # A new folder may not be locked yet.
            is_ours = folder.lstat().st_uid in owners and time.time() - folder.lstat().st_mtime > NEW_SECONDS
            if is_ours and not is_locked(folder / LOCK_NAME):
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue
