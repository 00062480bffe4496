"""How far an installer is, told from what lies in the environment and from what pip says. See `progress`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from emailsvc.launcher.progress import Progress

# One line of a lock may be for another Python than the next one of the same name.
PINNED = re.compile(r"^([A-Za-z0-9][^ ;=]*)==", re.MULTILINE)


def count_packages(locks: Iterable[Path]) -> int:
    return len({name for lock in locks for name in PINNED.findall(lock.read_text())})


def count_installed(venv: Path) -> int:
    return len(list(venv.glob("lib/python*/site-packages/*.dist-info")))


def tell_installed(total: int, venv: Path, progress: Progress) -> Callable[[str], None]:
    """What is to be called with all that the installer has said: pip fetches everything before it installs anything."""
    before = count_installed(venv)

    def show(said: str) -> None:
        installed, fetched = count_installed(venv) - before, said.count("Collecting ")
        progress.show(f"{installed} installed" if installed > 0 else f"{min(fetched, total)} fetched")

    return show
