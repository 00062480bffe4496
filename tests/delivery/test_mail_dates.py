"""Dates of strangers are read, or are none; no date raises anything."""

from datetime import UTC, datetime

import pytest

from delivery.mail_dates import read_mail_date


def test_a_date_of_mail_is_read():
    assert read_mail_date("Tue, 01 Dec 2026 00:00:00 +0000") == datetime(2026, 12, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tomorrow",
        "Mon, 1 Dec 99999999999999999999 00:00:00 GMT",
        "Mon, 1 Dec 2026 00:00:00 +99999999999999",
        "1 Dec 2026 99999999999999:0:0 GMT",
        "Mon, 99 Dec 2026 00:00:00 GMT",
    ],
)
def test_what_is_no_date_is_none(text):
    assert read_mail_date(text) is None
