"""`python -m emailsvc.launcher.pip_wheel LOCK FOLDER`: fetch pip's wheel for a Python without pip.

The lock pins version and SHA-256; pip's settings name the sources of the wheel. Prints the wheel's path. On failure it
prints one sentence on stderr and leaves no file behind. Needs only the standard library.
"""

import hashlib
import re
import sys
from pathlib import Path

from emailsvc.launcher.pip_wheel.index import Link, find_links, find_project_links
from emailsvc.launcher.pip_wheel.settings import SettingsError, read_settings
from emailsvc.launcher.pip_wheel.web import SourceError, Web, copy_body, split_login

REQUIREMENT = re.compile(r"^pip==([0-9][0-9a-z.]*)", re.MULTILINE)
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


class NoWheelError(Exception):
    """The reason why no wheel could be had, in one sentence."""


def main(lock: str, folder: str) -> int:
    try:
        sys.stdout.write(f"{provide_wheel(Path(lock), Path(folder))}\n")
    except (NoWheelError, SettingsError, SourceError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"{folder} cannot hold pip's wheel: {error.strerror or error}\n")
        return 1
    return 0


def provide_wheel(lock: Path, folder: Path) -> Path:
    """The wheel that the lock pins: taken from the folder if it is there, otherwise fetched."""
    version, hashes = read_lock(lock)
    wheel = folder / f"pip-{version}-py3-none-any.whl"
    if wheel.is_file() and hash_file(wheel) in hashes:
        return wheel
    settings = read_settings()
    web = Web(settings)
    failures = []
    for place, find in [
        *((place, find_links) for place in settings.find_links),
        *((index, find_in_index) for index in settings.indexes),
    ]:
        try:
            fetch(web, find(web, place), wheel, hashes)
        except SourceError as error:
            failures.append(f"{split_login(place)[0]}: {error}")
        else:
            return wheel
    why = "; ".join(failures) or "pip's settings name no index"
    raise NoWheelError(f"pip {version} cannot be fetched. {why}")


def find_in_index(web: Web, index: str) -> list[Link]:
    return find_project_links(web, index, "pip")


def fetch(web: Web, links: list[Link], wheel: Path, hashes: set[str]) -> None:
    """Move the wheel into its place if it is complete and matches the lock."""
    link = next((link for link in links if link.name == wheel.name), None)
    if not link:
        raise SourceError(f"there is no {wheel.name}: name another index in PIP_INDEX_URL")
    part = wheel.with_suffix(".part")
    try:
        with part.open("wb") as file, web.open(link.url) as answer:
            copy_body(answer, file)
        if hash_file(part) not in hashes:
            raise SourceError(
                f"its {wheel.name} is not what requirements-pip.txt pins: name an index that you trust in PIP_INDEX_URL"
            )
        part.replace(wheel)
    finally:
        part.unlink(missing_ok=True)


def read_lock(lock: Path) -> tuple[str, set[str]]:
    text = lock.read_text("utf-8")
    requirement = REQUIREMENT.search(text)
    if not requirement:
        raise NoWheelError(f"{lock} pins no pip")
    return requirement[1], set(HASH.findall(text))


def hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
