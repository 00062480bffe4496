"""`./run pythons` and `--python`: the Pythons of this machine that can run us. Needs only the standard library.

Without an argument it prints version and path of one Python per version; with a version or a path, of that one.
"""

import os
import subprocess
import sys
from pathlib import Path

LEAST, END = 11, 20
# A Python without these modules cannot run us, and a shim without a Python prints nothing.
QUESTION = "import ctypes, ssl, venv, zlib, sys; print('{}.{}'.format(*sys.version_info[:2]))"


def main(*wanted: str) -> int:
    names = wanted or [f"3.{minor}" for minor in range(LEAST, END)]
    found = [python for name in names if (python := find(name))]
    sys.stdout.writelines(f"{version} {path}\n" for version, path in found)
    if wanted and not found:
        sys.stderr.write(f"there is no Python {wanted[0]} that runs here; ./run pythons lists them\n")
        return 1
    return 0


def find(wanted: str) -> tuple[str, str] | None:
    """Version and path of the first Python that matches a version or a path."""
    for path in [Path(wanted).absolute()] if os.sep in wanted else list_places(wanted):
        version = ask_version(path)
        if version and (version == wanted or os.sep in wanted):
            return version, str(path)
    return None


def list_places(version: str) -> list[Path]:
    """Candidates for a version: on the PATH, then among pyenv's."""
    name = f"python{version}"
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    return [*(Path(folder) / name for folder in os.get_exec_path()), *sorted(pyenv.glob(f"{version}.*/bin/{name}"))]


def ask_version(python: Path) -> str | None:
    """The version and path that a Python prints; empty if it cannot run us."""
    if not os.access(python, os.X_OK):
        return None
    done = subprocess.run([python, "-c", QUESTION], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
