"""The programs that can install a lock into an environment, and advice for what keeps them from it.

`run` reads this before anything is installed: it needs the standard library alone, and an older Python can parse it.
"""

from __future__ import annotations

import errno
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from emailsvc.launcher.subcommands import capture, does_succeed

PIP_LOCK = "requirements-pip.txt"
PIP_INSTALL = ("install", "--progress-bar", "off", "--no-compile", "--disable-pip-version-check", "--no-input")
# What the system calls the trouble → what helps.
ADVICE = {
    errno.ENOSPC: "make room on its disk",
    errno.EDQUOT: "make room on its disk",
    errno.EROFS: "make the clone in a folder that can be written to",
    errno.EACCES: "make a clone in a folder of your own",
}


class NoInstallerError(Exception):
    """Why one of the installers cannot be had, in one sentence."""


def advise(said: str) -> str:
    advice = next((advice for number, advice in ADVICE.items() if os.strerror(number) in said), "")
    return f"{said}; {advice}" if advice else said


def launcher(program: str) -> list[str]:
    """One of our programs that need the standard library alone; nothing compiled is left in the clone."""
    return [sys.executable, "-B", "-m", f"emailsvc.launcher.{program}"]


def list_installers(root: Path, venv: Path) -> Iterator[list[str]]:
    """The commands that install into `venv`, the quickest first; each is looked for when its turn comes.

    Ends with NoInstallerError when the last way to one fails.
    """
    python = str(venv / "bin" / "python")
    if uv := shutil.which("uv"):
        yield [uv, "pip", "install", "--quiet", "--python", python]
    # Older than 22.3 it knows no --python.
    system_pip = [sys.executable, "-m", "pip", "--python", python]
    if does_succeed([*system_pip, "--version"]):
        yield [*system_pip, *PIP_INSTALL]
    pip = [python, "-m", "pip"]
    if does_succeed([*pip, "--version"]) or does_succeed([python, "-m", "ensurepip"]):
        yield [*pip, *PIP_INSTALL]
    # pip runs from its wheel as well: for a Python that comes without it, such as Debian's own.
    code, said = capture([*launcher("pip_wheel"), str(root / PIP_LOCK), str(venv)], root)
    if code:
        raise NoInstallerError(said)
    yield [python, f"{said}/pip", *PIP_INSTALL]
