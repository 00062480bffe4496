"""Each defence is switched off in turn: the test that docs/threat-model.md names for it fails, and with it passes."""

from pkgutil import resolve_name

import pytest

from tests.security.mutants import MUTANTS, Mutant
from tests.security.named_tests import list_named_tests
from tests.security.threat_model import read_rows

# A patch that does not fit its place would look like a defence.
MISTAKES = (TypeError, AttributeError, NameError, ImportError)


def test_there_are_sixty_of_them_and_each_names_a_row() -> None:
    assert len(MUTANTS) >= 60
    assert {mutant.defence for mutant in MUTANTS} <= read_rows().keys()


# For those of the tests that have one.
@pytest.mark.django_db
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.defence)
def test_without_the_defence_its_test_fails(request: pytest.FixtureRequest, mutant: Mutant) -> None:
    named = [each for path, name in read_rows()[mutant.defence].tests for each in list_named_tests(request, path, name)]
    holder, _, attribute = mutant.target.rpartition(".")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resolve_name(holder), attribute, mutant.instead)
        failures = ((each, each.find_failure()) for each in named)
        failed, error = next(((each, error) for each, error in failures if error), (None, None))
    assert failed, f"survived: {mutant}"
    assert not isinstance(error, MISTAKES), repr(error)
    if not mutant.leaves_traces:
        failed.run()


@pytest.mark.django_db
@pytest.mark.parametrize("mutant", [each for each in MUTANTS if each.leaves_traces], ids=lambda mutant: mutant.defence)
def test_with_the_defence_its_test_passes(request: pytest.FixtureRequest, mutant: Mutant) -> None:
    for path, name in read_rows()[mutant.defence].tests:
        for each in list_named_tests(request, path, name):
            each.run()
