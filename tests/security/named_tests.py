"""Calls a test of another file from within a test: with its parameters, its fixtures, and nothing kept of it."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from importlib import import_module
from itertools import product
from pathlib import PurePosixPath
from types import ModuleType
from typing import Any

import pytest
from _pytest.fixtures import FixtureFunctionDefinition, register_fixture
from django.db import transaction
from django.urls import clear_url_caches

# Marks that change what a test may do are left to pytest's own run of it.
KNOWN_MARKS = {"parametrize", "django_db", "slow", "filterwarnings", "hypothesis", "urls", "usefixtures"}
# Made anew for each call, since what a test patches has to end with it.
PATCH = "monkeypatch"


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedTest:
    """A test with its parameters and fixtures. `has_database`: what it writes is rolled back."""

    name: str
    function: Callable[..., object]
    values: Mapping[str, Any]
    is_patching: bool
    has_database: bool

    def find_failure(self) -> BaseException | None:
        """What the test failed with; None if it passed."""
        try:
            self.run()
        except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001 - whatever a failing test raises
            return error
        return None

    def run(self) -> None:
        with pytest.MonkeyPatch.context() as patch, transaction.atomic() if self.has_database else nullcontext():
            self.function(**self.values, **({PATCH: patch} if self.is_patching else {}))
            if self.has_database:
                transaction.set_rollback(True)


def find_test(path: str, name: str) -> Callable[..., object]:
    """The function `name` of the file `path`; AttributeError or ModuleNotFoundError when there is none."""
    function: Callable[..., object] = getattr(import_file(path), name)
    return function


def list_named_tests(request: pytest.FixtureRequest, path: str, name: str) -> list[NamedTest]:
    """The test once for each set of its parameters, as pytest would run it."""
    module, function = import_file(path), find_test(path, name)
    marks = [*as_marks(module), *as_marks(function)]
    assert {mark.name for mark in marks} <= KNOWN_MARKS, (path, name)
    has_database = any(mark.name == "django_db" for mark in marks)
    if has_database:
        request.getfixturevalue("db")
    learn_fixtures(request, path)
    for mark in (each for each in marks if each.name == "urls"):
        show_urls(request, mark.args[0])
    for used in (used for each in marks if each.name == "usefixtures" for used in each.args):
        request.getfixturevalue(used)
    names = list(inspect.signature(function).parameters)
    sets = list(list_sets(marks))
    given = {each for values in sets for each in values}
    fixtures = {each: request.getfixturevalue(each) for each in names if each not in given and each != PATCH}
    return [
        NamedTest(
            name=f"{path}::{name}",
            function=function,
            values={**fixtures, **values},
            is_patching=PATCH in names,
            has_database=has_database or "db" in request.fixturenames,
        )
        for values in sets
    ]


def show_urls(request: pytest.FixtureRequest, module: str) -> None:
    """Route requests by this module of URLs, as pytest-django does for the mark."""
    request.addfinalizer(clear_url_caches)
    request.getfixturevalue("settings").ROOT_URLCONF = module
    clear_url_caches()


def import_file(path: str) -> ModuleType:
    return import_module(".".join(PurePosixPath(path).with_suffix("").parts))


def as_marks(holder: object) -> list[pytest.Mark]:
    found = getattr(holder, "pytestmark", [])
    return [getattr(mark, "mark", mark) for mark in (found if isinstance(found, list) else [found])]


def list_sets(marks: list[pytest.Mark]) -> Iterator[dict[str, Any]]:
    """The product of all `parametrize` of a test."""
    tables = []
    for mark in marks:
        if mark.name == "parametrize":
            names, rows = mark.args[0], mark.args[1]
            names = [each.strip() for each in names.split(",")] if isinstance(names, str) else list(names)
            tables.append([dict(zip(names, as_values(row, len(names)), strict=True)) for row in rows])
    for chosen in product(*tables):
        yield {name: value for values in chosen for name, value in values.items()}


def as_values(row: Any, count: int) -> Any:
    if type(row).__name__ == "ParameterSet":
        return row.values
    return [row] if count == 1 else row


def learn_fixtures(request: pytest.FixtureRequest, path: str) -> None:
    """Make the fixtures of the file, and of each `conftest.py` above it, known to this test and to no other."""
    folders = [*reversed(PurePosixPath(path).parents)][2:]
    files = [*(folder / "conftest.py" for folder in folders), PurePosixPath(path)]
    automatic = []
    for file in (each for each in files if (request.config.rootpath / each).exists()):
        for attribute, value in vars(import_file(str(file))).items():
            if isinstance(value, FixtureFunctionDefinition):
                name = value.name or attribute
                register_fixture(name=name, func=value._fixture_function, node=request.node)
                automatic += [name] if value._fixture_function_marker.autouse else []
    for name in automatic:
        request.getfixturevalue(name)
