"""The table of docs/threat-model.md: each defence with its threat and its tests."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "threat-model.md"
ROW = re.compile(r"\| (.+) \| (.+) \| (.+) \|")
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
TITLES = ("Threat", "Defence", "Test")


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table. `tests` are files with the name of a function in each."""

    threat: str
    defence: str
    tests: tuple[tuple[str, str], ...]


@cache
def read_rows() -> Mapping[str, Row]:
    """The rows by their defence; ValueError when two rows have the same one."""
    rows: dict[str, Row] = {}
    for threat, defence, tests in ROW.findall(PAGE.read_text("utf-8")):
        if threat == TITLES[0] or not threat.strip("- :"):
            continue
        if defence in rows:
            raise ValueError(f"two rows with the defence {defence}")
        rows[defence] = Row(threat, defence, tuple(TEST.findall(tests)))
    return rows
