"""Our own clients, built as their users get them: a wheel by its build backend, and a tarball by npm."""

import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from tests.vendors.commands import NODE, NPM, ROOT, call, install_wheels

# What building leaves beside the sources.
LEFT_OUT = shutil.ignore_patterns("node_modules", "dist", "*.tgz", "__pycache__")
BUILD_WHEEL = "import sys, hatchling.build; print(hatchling.build.build_wheel(sys.argv[1]))"


def hash_sources(project: str) -> str:
    """A word that changes with every file of a project."""
    digest = sha256()
    for path in sorted((ROOT / project).rglob("*")):
        if path.is_file() and not {"node_modules", "dist", "__pycache__"} & set(path.parts):
            digest.update(f"{path.relative_to(ROOT)}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def copy_sources(project: str, folder: Path) -> Path:
    copy = folder / "project"
    shutil.copytree(ROOT / project, copy, ignore=LEFT_OUT)
    return copy


def build_wheel(project: str, folder: Path) -> None:
    """Build the wheel with the backend that is installed in the environment `folder`, and install it there."""
    source = copy_sources(project, folder)
    call([str(folder / "bin" / "python"), "-c", BUILD_WHEEL, str(folder / "dist")], source)
    [wheel] = (folder / "dist").glob("*.whl")
    install_wheels(folder, f"{wheel}[django]")


def build_tarball(project: str, folder: Path) -> None:
    """Compile with the TypeScript that is installed in `folder`, pack, and install the tarball there."""
    source = copy_sources(project, folder)
    # The compiler looks for the types beside the sources.
    (source / "node_modules").symlink_to(folder / "node_modules")
    call([*NODE, str(folder / "node_modules" / "typescript" / "bin" / "tsc")], source)
    call([*NPM, "pack", "--ignore-scripts", "--pack-destination", str(folder)], source)
    [tarball] = folder.glob("*.tgz")
    call([*NPM, "install", "--no-audit", "--no-fund", "--ignore-scripts", str(tarball)], folder)


BUILD: dict[bool, Callable[[str, Path], None]] = {False: build_wheel, True: build_tarball}
