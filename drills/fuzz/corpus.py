"""Inputs as files: those that are kept as tests, and those that a fuzzer has collected on this machine."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Seeds and findings: small, and read by the tests.
KEPT = ROOT / "tests" / "fuzz_corpus"
# What reaches more of the code: large, and no part of the repository.
COLLECTED = ROOT / "var" / "fuzz"


def list_inputs(folder: Path) -> Iterator[bytes]:
    """The inputs in a folder in the order of their names; none if there is no such folder."""
    for path in sorted(folder.glob("*")):
        yield path.read_bytes()


def keep_finding(name: str, data: bytes) -> Path:
    """Write an input that a target fails on to its kept files."""
    path = KEPT / name / f"found-{sha256(data).hexdigest()[:12]}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def find_collected(name: str) -> Path:
    """The folder of what was collected for a target; made if it is missing."""
    folder = COLLECTED / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder
