"""Every decision page has one form, and names files that exist."""

import re
from pathlib import Path

import pytest

from emailsvc.documentation.pages import find_folder
from tests.architecture.sources import ROOT

PAGES = sorted((find_folder() / "decisions").glob("*.md"))
HEADINGS = ["Status", "Date", "Context", "Decision", "Consequences"]
STATUS = re.compile(r"(?:Accepted|Rejected|Superseded)\b")
PATH = re.compile(r"`([\w-]+(?:/[\w-]+)+\.\w+)`")


def read_sections(page: Path) -> dict[str, str]:
    """The text below each heading of the second level."""
    _, *sections = re.split(r"^## ", page.read_text(), flags=re.MULTILINE)
    return {name: text.strip() for name, _, text in (section.partition("\n") for section in sections)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_decision_has_status_date_context_decision_and_consequences(page: Path) -> None:
    sections = read_sections(page)
    assert list(sections) == HEADINGS
    assert all(sections.values())
    assert STATUS.match(sections["Status"])
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", sections["Date"])
    assert page.read_text().startswith(f"# {int(page.stem[:4])}. ")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_paths_in_a_decision_exist(page: Path) -> None:
    assert [path for path in PATH.findall(page.read_text()) if not (ROOT / path).exists()] == []


def test_each_decision_has_a_number_of_its_own() -> None:
    numbers = [page.stem[:4] for page in PAGES]
    assert len(numbers) > 20
    assert len(numbers) == len(set(numbers))
