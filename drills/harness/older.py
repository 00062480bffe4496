"""An earlier version of the product: files from the history of this clone, run by the present Python and libraries."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from django.db import connection

from drills.harness.stack import Stack
from emailsvc.launcher.data_folder import ROOT

COMMIT_WORDS = "{commit} is not in the history of this clone (a shallow clone, or none)"


class NoSuchVersionError(Exception):
    """The history has no such commit; the text is the reason in words."""


class OlderVersion:
    """The files of `commit` in a folder of the drill's data, on an empty database with that version's tables."""

    def __init__(self, stack: Stack, commit: str) -> None:
        self._folder = stack.ground.data / f"version-{commit[:12]}"
        self._stack = stack
        if not self._folder.is_dir():
            unpack(commit, self._folder)
        connection.close()
        with connection.cursor() as cursor:
            cursor.execute("DROP SCHEMA public CASCADE")
            cursor.execute("CREATE SCHEMA public")
        self.manage("prepare")

    def manage(self, *words: str) -> Any:
        """Run a management command of that version; returns the JSON of its last line, None without one."""
        return run_command(self._folder, *words)

    def start(self, name: str) -> int:
        """Start a program of `./run`; see `Stack.start`."""
        return self._stack.start(name, folder=self._folder)

    def start_web(self) -> int:
        """See `Stack.start_web`."""
        return self._stack.start_web(folder=self._folder)


def unpack(commit: str, folder: Path) -> None:
    """Raises NoSuchVersionError."""
    known = subprocess.run(
        ["git", "cat-file", "-e", f"{commit}^{{commit}}"], cwd=ROOT, capture_output=True, check=False
    )
    if known.returncode:
        raise NoSuchVersionError(COMMIT_WORDS.format(commit=commit))
    files = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True).stdout
    folder.mkdir(parents=True)
    subprocess.run(["tar", "-x", "-C", str(folder)], input=files, check=True)


def run_command(folder: Path, *words: str) -> Any:
    """`manage.py WORD… --json` of the version in a folder, by the environment of the drills."""
    command = [sys.executable, "-m", "manage", *words, "--json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words[:1])} of {folder.name} failed: {done.stderr[-2000:]}")
    last = done.stdout.strip().rpartition("\n")[2]
    return json.loads(last) if last.startswith("{") else None
