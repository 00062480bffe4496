"""docs/asvs.md: each requirement of the standard once, with a state, and places that exist."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| ([0-9., to]+) \| ([a-z/ ]+) \| .+ \|$", re.MULTILINE)
RANGE = re.compile(r"(\d+\.\d+)\.(\d+) to \1\.(\d+)")
PLACE = re.compile(r"`([a-z_]+/[a-z_/]+[a-z_.]*)`")
# Requirements of levels 1 and 2 in the chapters of ASVS 5.0.0, from the first on.
COUNTS = (27, 11, 19, 10, 9, 35, 18, 7, 7, 29, 14, 9, 13, 9, 13, 16, 7)


def read() -> str:
    return (ROOT / "docs" / "asvs.md").read_text()


def list_requirements() -> Iterator[str]:
    for numbers, _state in ROW.findall(read()):
        for number in numbers.split(", "):
            if found := RANGE.fullmatch(number):
                yield from (f"{found[1]}.{each}" for each in range(int(found[2]), int(found[3]) + 1))
            else:
                yield number


def test_every_requirement_of_the_two_levels_stands_there_once() -> None:
    found = list(list_requirements())
    assert [number for number, count in Counter(found).items() if count > 1] == []
    chapters = Counter(int(number.split(".")[0]) for number in found)
    assert tuple(chapters[chapter] for chapter in range(1, 18)) == COUNTS


def test_every_row_has_a_state_and_places_that_exist() -> None:
    assert {state for _numbers, state in ROW.findall(read())} == {"met", "partly", "not met", "n/a"}
    places = PLACE.findall(read())
    assert len(places) > 80
    assert [place for place in places if not (ROOT / place).exists()] == []


def test_what_is_met_names_a_place_or_a_test() -> None:
    rows = [line for line in read().splitlines() if "| met |" in line]
    assert len(rows) > 100
    assert [row for row in rows if not re.search(r"`[\w/]+[/.][\w/.]*`", row)] == []
