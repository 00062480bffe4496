"""The packages of the clients, each set installed once into a folder of its own below `var/clients`."""

import shutil
import sys
from hashlib import sha256
from pathlib import Path

from tests.vendors.building import BUILD, hash_sources
from tests.vendors.catalogue import VendorClient
from tests.vendors.commands import NPM, ROOT, call, install_wheels

CACHE = ROOT / "var" / "clients"
DONE = "installed"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


def install(client: VendorClient) -> Path:
    """The folder with the client's packages. Raises MissingPackagesError."""
    words = ["node" if client.is_node else PYTHON, *client.packages]
    if client.project:
        words.append(hash_sources(client.project))
    folder = CACHE / sha256("\n".join(words).encode()).hexdigest()[:16]
    if not (folder / DONE).exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (install_node if client.is_node else install_python)(client, folder)
        if client.project:
            BUILD[client.is_node](client.project, folder)
        (folder / DONE).touch()
    return folder


def install_node(client: VendorClient, folder: Path) -> None:
    (folder / "package.json").write_text('{"private": true, "type": "module"}')
    options = ["--no-audit", "--no-fund", "--ignore-scripts", "--save-exact"]
    call([*NPM, "install", *options, *client.packages], folder)


def install_python(client: VendorClient, folder: Path) -> None:
    call([sys.executable, "-m", "venv", "--without-pip", str(folder)], folder)
    if client.packages:
        install_wheels(folder, *client.packages)
