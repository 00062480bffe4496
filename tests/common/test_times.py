"""Parsing and formatting of times."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from common.times import TimeError, format_time, parse_time


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2030-01-31T12:00:00Z", "2030-01-31T12:00:00Z"),
        ("2030-01-31t12:00:00z", "2030-01-31T12:00:00Z"),
        ("2030-01-31 12:00Z", "2030-01-31T12:00:00Z"),
        ("2030-01-31T12:00:00+02:00", "2030-01-31T10:00:00Z"),
        ("2030-01-31T12:00:00-0530", "2030-01-31T17:30:00Z"),
        ("2030-01-31T12:00:00.5Z", "2030-01-31T12:00:00.500000Z"),
        ("2030-01-31T12:00:00.123456789Z", "2030-01-31T12:00:00.123456Z"),
        ("2030-01-31 12:00:00.5+00", "2030-01-31T12:00:00.500000Z"),
        ("2030-01-31 12:00:00-05", "2030-01-31T17:00:00Z"),
        ("20300131T120000Z", "2030-01-31T12:00:00Z"),
        ("20300131T120000.25+0200", "2030-01-31T10:00:00.250000Z"),
        ("2030-01-31T12Z", "2030-01-31T12:00:00Z"),
        ("2030-01-31T12:00:00,5Z", "2030-01-31T12:00:00.500000Z"),
        ("2030-01-31T24:00:00Z", "2030-02-01T00:00:00Z"),
        ("2030-12-31T24:00+01", "2030-12-31T23:00:00Z"),
        ("2030-12-31T23:59:60Z", "2031-01-01T00:00:00Z"),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
    ],
)
def test_a_time_with_an_offset_is_read_as_utc(text, expected):
    assert format_time(parse_time(text)) == expected


@pytest.mark.parametrize("text", ["2030-01-31T12:00:00", "2030-01-31 12:00", "2030-01-31T12:00:00.5"])
def test_a_time_without_an_offset_is_refused(text):
    with pytest.raises(TimeError) as caught:
        parse_time(text)
    assert caught.value.code == "offset_required"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2030-01-31",
        "203001-31T120000Z",
        "2030-W05-4T12:00:00Z",
        "1893456000",
        "2030-02-30T12:00:00Z",
        "2030-13-01T12:00:00Z",
        "2030-01-31T24:00:01Z",
        "2030-01-31T24:30Z",
        "2030-01-31T25:00Z",
        "9999-12-31T24:00:00Z",
        "2030-01-31T12:00:00+00:60",
        "2030-01-31T12:00:00+1",
        "2030-01-31T12:60:00Z",
        "2030-01-31T12:00:60Z",
        "2030-01-31T12:00:00+99:99",
        "2030-01-31T12:00:00+25:00",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "0000-01-01T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "-001-01-01T00:00:00Z",
        "2030-01-31T12:00:00Z ",
        "2030-01-31T12:00:00Z\n",
        "2030-01-31T12:00:00 Z",
        "٢٠٣٠-01-31T12:00:00Z",
        "2030-01-31T12:00:00." + "0" * 100_000 + "Z",
    ],
    ids=lambda text: repr(text)[:40],
)
def test_an_invalid_time_is_rejected(text):
    with pytest.raises(TimeError) as caught:
        parse_time(text)
    assert caught.value.code == "invalid_time"


def test_any_zone_is_written_as_utc():
    at = datetime(2030, 1, 31, 12, tzinfo=timezone(timedelta(hours=2)))
    assert format_time(at) == "2030-01-31T10:00:00Z"
    assert format_time(datetime(2030, 1, 31, 12, 0, 0, 5, tzinfo=UTC)) == "2030-01-31T12:00:00.000005Z"
    assert format_time(None) is None
