"""Records compare and hash as frozen dataclasses do."""

from delivery.records import record


@record(frozen=True, slots=True, kw_only=True)
class Pair:
    first: int
    second: str = ""


def test_equal_records_are_one_key() -> None:
    assert {Pair(first=1): "a", Pair(first=1, second=""): "b"} == {Pair(first=1): "b"}


def test_records_that_differ_in_a_field_are_two_keys() -> None:
    assert len({Pair(first=1), Pair(first=1, second="x")}) == 2
