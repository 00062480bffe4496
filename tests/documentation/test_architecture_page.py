"""docs/architecture.md leads to files that exist, and is short enough to be read."""

import re

import pytest

from emailsvc.documentation.pages import find_folder
from tests.architecture.sources import ROOT

PATH = re.compile(r"`([\w./-]+\.(?:py|md|yaml|toml))`")
MAX_WORDS = 1_400


def read() -> str:
    return (find_folder() / "architecture.md").read_text()


def test_each_path_in_it_exists_and_is_spelt_in_full():
    paths = PATH.findall(read())
    assert len(paths) > 50
    assert [path for path in paths if not (ROOT / path).is_file()] == []


def test_it_has_at_most_two_pages():
    assert len(read().split()) <= MAX_WORDS


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "docs/glossary.md", "docs/drills.md"])
def test_paths_in_other_texts_exist_too(name):
    paths = [path for path in PATH.findall((ROOT / name).read_text()) if "/" in path]
    assert [path for path in paths if not (ROOT / path).is_file()] == []
