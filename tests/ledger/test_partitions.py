"""Months as partitions: made ahead, filled by default, dropped when nothing in them is needed."""

from datetime import UTC, date, datetime
from uuid import UUID

import pytest

from common.ids import least_id_at
from ledger.partitions import first_id, next_month


def test_a_month_begins_with_its_first_millisecond():
    begin = first_id(date(2026, 12, 1))
    assert least_id_at(datetime(2026, 12, 1, tzinfo=UTC)) >= begin
    assert least_id_at(datetime(2026, 11, 30, 23, 59, 59, 999_000, tzinfo=UTC)) < begin


@pytest.mark.parametrize(
    ("month", "following"),
    [
        (date(2026, 11, 1), date(2026, 12, 1)),
        (date(2026, 12, 1), date(2027, 1, 1)),
        (date(2027, 1, 1), date(2027, 2, 1)),
    ],
)
def test_months_follow_over_the_end_of_a_year(month, following):
    assert next_month(month) == following
    assert UUID(int=0) < first_id(month) < first_id(following)
