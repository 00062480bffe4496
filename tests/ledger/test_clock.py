"""The database's time, from an offset that is measured for each connection."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from ledger.clock import correct_clock, database_time
from ledger.sql import fetch_value
from tests.round_trips import counted_statements

pytestmark = pytest.mark.django_db


def test_the_time_is_asked_once_for_each_connection() -> None:
    connection.clock_offset = None
    with counted_statements() as sent:
        first = database_time()
        assert len(sent) == 1
        second = database_time()
    assert len(sent) == 1
    assert first <= second <= fetch_value("SELECT clock_timestamp()") + timedelta(seconds=1)


def test_this_machines_clock_does_not_matter(monkeypatch: Any) -> None:
    before = database_time()
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert abs(database_time() - before) < timedelta(minutes=1)


@pytest.mark.parametrize("hours", [-2, 2])
def test_a_statement_corrects_an_offset_that_is_wrong(hours: int) -> None:
    database_time()
    sent_at = time.monotonic()
    stated = datetime.now(UTC) + timedelta(hours=hours)
    correct_clock(stated.timestamp(), sent_at)
    assert abs(database_time() - stated) < timedelta(minutes=1)
    connection.clock_offset = None
