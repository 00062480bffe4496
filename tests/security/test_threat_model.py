"""docs/threat-model.md names tests that there are."""

import pytest

from tests.security.named_tests import find_test
from tests.security.threat_model import read_rows


def test_every_threat_has_defences() -> None:
    rows = read_rows()
    assert len(rows) > 100
    assert len({row.threat for row in rows.values()}) >= 14


@pytest.mark.parametrize("defence", read_rows())
def test_the_tests_of_a_defence_are_there(defence: str) -> None:
    tests = read_rows()[defence].tests
    assert tests
    for path, name in tests:
        assert find_test(path, name).__module__ == path.removesuffix(".py").replace("/", ".")
