"""Rows as dataclasses: columns by name, enums as members, and what no column has."""

from dataclasses import dataclass
from enum import StrEnum

import pytest
from django.db import ProgrammingError, transaction

from ledger.sql import fetch, fetch_as, fetch_column, fetch_one_as, fetch_value

pytestmark = pytest.mark.django_db


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Car:
    id: int
    colour: Colour
    owner: str | None
    place: str = "street"


CARS = "SELECT * FROM (VALUES (1, 'red', 'Ann'), (2, 'blue', NULL)) AS v(id, colour, owner) WHERE id <= %s ORDER BY id"


def test_columns_go_to_the_fields_of_their_names_whatever_their_order():
    assert fetch_as(Car, "SELECT 'Ann' AS owner, 7 AS id, 'red' AS colour, 'yard' AS place") == [
        Car(id=7, colour=Colour.RED, owner="Ann", place="yard")
    ]


def test_a_field_of_an_enum_is_its_member():
    first, second = fetch_as(Car, CARS, [2])
    assert first.colour is Colour.RED
    assert second.colour is Colour.BLUE
    assert second.owner is None


def test_a_field_may_be_fixed_for_all_rows():
    assert [car.place for car in fetch_as(Car, CARS, [2], place="garage")] == ["garage", "garage"]


def test_a_value_that_is_no_member_is_an_error():
    with pytest.raises(ValueError, match="green"):
        fetch_as(Car, "SELECT 1 AS id, 'green' AS colour, '' AS owner")


@pytest.mark.parametrize("columns", ["1 AS id, 'red' AS colour", "1 AS id, 'red' AS colour, '' AS owner, 4 AS wheels"])
def test_a_column_too_few_or_too_many_is_an_error(columns):
    with pytest.raises(TypeError):
        fetch_as(Car, f"SELECT {columns}")


def test_one_row_or_none():
    assert fetch_one_as(Car, CARS, [1]) == Car(id=1, colour=Colour.RED, owner="Ann")
    assert fetch_one_as(Car, CARS, [0]) is None


def test_one_column_and_one_value():
    assert fetch_column("SELECT n FROM generate_series(1, %s) AS n", [3]) == [1, 2, 3]
    assert fetch_value("SELECT %s::int + 1", [3]) == 4
    assert fetch_value("SELECT 1 WHERE false") is None
    assert fetch("SELECT 1, 'a'") == [(1, "a")]


def test_errors_are_djangos():
    with pytest.raises(ProgrammingError), transaction.atomic():
        fetch_as(Car, "SELECT nothing")
