"""A data folder in use: its lock, the environment that its programs share, and their logs."""

import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from emailsvc.embedded.errors import EmbeddedError
from emailsvc.embedded.locks import is_locked, locked
from emailsvc.launcher.secrets_file import write_private

ROOT = Path(__file__).resolve().parents[2]
DEFAULT_DATA = ROOT / "var"
LOCK_NAME = "run.lock"
ENVIRONMENT_NAME = "environment.json"
# For this long another process may hold the lock only to look, or to clean up after a killed run.
MOMENT_SECONDS = 0.5
LIMIT_BYTES = 20_000_000


def open_data_folder(path: Path) -> Path:
    """The folder, created if it is missing, for its owner only. Raises EmbeddedError if that fails."""
    try:
        if not path.is_dir():
            path.mkdir(mode=0o700, parents=True)
        (path / "logs").mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise EmbeddedError(f"{path} cannot be used for data: {error.strerror}; choose another with --data") from None
    # The folder's owner alone does not reveal files of another user: root may have written into our folder.
    foreign = [kept for kept in (path, path / LOCK_NAME) if kept.exists() and not os.access(kept, os.R_OK | os.W_OK)]
    if foreign:
        raise EmbeddedError(f"{foreign[0]} belongs to another user; choose another folder with --data")
    return path.resolve()


@contextmanager
def hold(data: Path) -> Iterator[None]:
    """Be the only run in the data folder. Raises InUseError with the other run's process id."""
    complaint = f"already running with the data folder {data}"
    with locked(data / LOCK_NAME, seconds=MOMENT_SECONDS, complaint=complaint):
        yield


def build_environment(given: Mapping[str, str], made: Mapping[str, str]) -> dict[str, str]:
    """The environment of our programs: generated values, overridden by the caller's (empty ones do not count)."""
    own = {
        "DJANGO_SETTINGS_MODULE": "emailsvc.settings",
        "PYTHONUNBUFFERED": "1",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{given.get('PATH', os.defpath)}",
    }
    return {**made, **{name: value for name, value in given.items() if value}, **own}


@contextmanager
def kept_environment(data: Path, made: Mapping[str, str]) -> Iterator[None]:
    """Write the generated values to the place where `./run manage` beside a running service reads them."""
    path = data / ENVIRONMENT_NAME
    write_private(path, made)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def read_environment(data: Path) -> dict[str, str]:
    """The values that a running service wrote there; empty if none holds the data folder."""
    try:
        left = json.loads((data / ENVIRONMENT_NAME).read_text())
        is_stale = not is_locked(data / LOCK_NAME)
    except FileNotFoundError:
        return {}
    return {} if is_stale else {str(name): str(value) for name, value in left.items()}


def trim_logs(folder: Path, limit: int = LIMIT_BYTES) -> None:
    """Move the content of a log over `limit` bytes to `<log>.1`. The writer appends and continues in the empty file."""
    for log in folder.glob("*.log"):
        if log.stat().st_size > limit:
            shutil.copyfile(log, log.with_name(f"{log.name}.1"))
            os.truncate(log, 0)
