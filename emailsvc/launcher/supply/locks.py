"""The packages that our locks pin, without those that only tests and checks need."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pip_requirements_parser import RequirementsFile

ROOT = Path(__file__).resolve().parents[3]
FOR_DEVELOPERS = {"requirements-dev.txt", "requirements-fuzz.txt", "requirements-pip.txt"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """A package as a lock names it. `hashes` are the SHA-256 of its files, in hexadecimal."""

    name: str
    version: str
    hashes: Sequence[str]
    lock: str


def list_locks(root: Path = ROOT) -> list[Path]:
    """The locks of what an installation may have: the service, the embedded servers, and each extra."""
    return sorted(path for path in root.glob("requirements*.txt") if path.name not in FOR_DEVELOPERS)


def list_pinned(locks: Sequence[Path]) -> Iterator[Pinned]:
    """Each package of each lock. Raises ValueError for one that has no exact version or no hash."""
    for lock in locks:
        for requirement in RequirementsFile.from_file(str(lock)).requirements:
            version, hashes = requirement.get_pinned_version, requirement.hash_options
            if not version or not hashes:
                raise ValueError(f"{lock.name} does not pin {requirement.name} by version and hash")
            digests = [text.rpartition("=")[2].removeprefix("sha256:") for text in hashes]
            yield Pinned(name=requirement.name, version=version, hashes=digests, lock=lock.name)
