"""Strict serializers and fields."""

import json

import pytest
from django.http import QueryDict
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from common.addresses import Address
from common.serializers import (
    AddressField,
    PageQuery,
    SingleLineField,
    StrictBooleanField,
    StrictCharField,
    StrictDateTimeField,
    StrictIntegerField,
    StrictSerializer,
)
from common.validation import list_field_errors
from tests.effort import count_calls
from tests.needs import SHARED


class PartSerializer(StrictSerializer):
    content_id = StrictCharField(required=False)


class MailSerializer(StrictSerializer):
    aliases = {"from": "from_"}

    id = StrictCharField(read_only=True)
    from_ = AddressField(required=False)
    to = serializers.ListField(child=AddressField(), required=False)
    subject = SingleLineField(max_length=10, required=False, allow_blank=True)
    text = StrictCharField(required=False, allow_blank=True)
    track_opens = StrictBooleanField(required=False)
    count = StrictIntegerField(required=False, min_value=1)
    scheduled_at = StrictDateTimeField(required=False, allow_null=True)
    parts = PartSerializer(many=True, required=False)


def find_errors(data, kind=MailSerializer):
    serializer = kind(data=data)
    try:
        serializer.is_valid(raise_exception=True)
    except ValidationError as error:
        return [(item.field, item.code) for item in list_field_errors(error)]
    return []


def read(data):
    serializer = MailSerializer(data=data)
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data


@pytest.mark.parametrize(
    ("data", "errors"),
    [
        ({"scheduled_att": "x"}, [("scheduled_att", "unknown_field")]),
        ({"id": "x"}, [("id", "unknown_field")]),
        ({"": 1}, [("", "unknown_field")]),
        ({"from_": "a@b.test", "from": "a@b.test"}, [("from", "ambiguous_field")]),
        ({"from": "nobody"}, [("from_", "invalid_address")]),
        ({"to": ["a@b.test", "c@d.test\r\nBcc: x@y.test"]}, [("to[1]", "control_character")]),
        ({"to": "a@b.test"}, [("to", "not_a_list")]),
        ({"to": [5, None, {}]}, [("to[0]", "invalid"), ("to[1]", "null"), ("to[2]", "invalid")]),
        ({"subject": "a\nb"}, [("subject", "control_character")]),
        ({"subject": "x" * 11}, [("subject", "max_length")]),
        ({"subject": 5}, [("subject", "invalid")]),
        ({"subject": None}, [("subject", "null")]),
        ({"text": ["x"]}, [("text", "invalid")]),
        ({"text": "a\0b"}, [("text", "null_characters_not_allowed")]),
        ({"text": "\ud800"}, [("text", "surrogate_characters_not_allowed")]),
        ({"track_opens": "true"}, [("track_opens", "invalid")]),
        ({"track_opens": 1}, [("track_opens", "invalid")]),
        ({"track_opens": None}, [("track_opens", "null")]),
        ({"track_opens": {}}, [("track_opens", "invalid")]),
        ({"count": True}, [("count", "invalid")]),
        ({"count": "1"}, [("count", "invalid")]),
        ({"count": 1.0}, [("count", "invalid")]),
        ({"count": 0}, [("count", "min_value")]),
        ({"scheduled_at": "2030-01-01T00:00:00"}, [("scheduled_at", "offset_required")]),
        ({"scheduled_at": 5}, [("scheduled_at", "invalid_time")]),
        ({"parts": [{}, {"content_idd": "x"}]}, [("parts[1].content_idd", "unknown_field")]),
        ({"parts": {}}, [("parts", "not_a_list")]),
        ({"parts": [5]}, [("parts[0]", "invalid")]),
        ({"a": 1, "count": 0, "b": 2}, [("a", "unknown_field"), ("b", "unknown_field"), ("count", "min_value")]),
        ([], [("", "invalid")]),
        ("x", [("", "invalid")]),
    ],
    ids=lambda value: repr(value)[:50],
)
def test_what_is_wrong_is_named_by_field_and_code(data, errors):
    assert find_errors(data) == errors


def test_what_is_meant_is_taken_as_it_is():
    data = {"from": "Ann <a@b.test>", "subject": " spaced ", "text": "line\nline", "track_opens": True, "count": 3}
    assert read(data) == {
        **{k: v for k, v in data.items() if k != "from"},
        "from_": Address("Ann", "a@b.test", "b.test"),
    }


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("scheduled_att", "scheduled_at"),
        ("track_open", "track_opens"),
        ("Subject", "subject"),
        ("contents", None),
        ("x" * 1_000_000, None),
    ],
)
def test_an_unknown_field_that_is_close_to_a_known_one_gets_a_hint(name, hint):
    serializer = MailSerializer(data={name: 1})
    assert not serializer.is_valid()
    (message,) = next(iter(serializer.errors.values()))
    assert message.startswith("Unknown field.")
    assert ("Did you mean" in message) is bool(hint)
    assert not hint or f"Did you mean {hint}?" in message


def test_a_thousand_unknown_fields_cost_little():
    unknown = {f"scheduled_a{number}": 1 for number in range(1_000)}
    assert len(find_errors(unknown)) == 1_000
    assert count_calls(lambda: find_errors(unknown)) < 100_000


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {"limit": 20}),
        ("limit=100", {"limit": 100}),
    ],
)
def test_a_page_is_read_from_the_query(query, expected):
    serializer = PageQuery(data=QueryDict(query))
    serializer.is_valid(raise_exception=True)
    assert serializer.validated_data == expected


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("limit=0", ("limit", "min_value")),
        ("limit=101", ("limit", "max_value")),
        ("limit=-1", ("limit", "min_value")),
        ("limit=abc", ("limit", "invalid")),
        ("limit=1.5", ("limit", "invalid")),
        ("limit=", ("limit", "invalid")),
        ("limit=%00", ("limit", "invalid")),
        ("limit=" + "9" * 5_000, ("limit", "max_string_length")),
        ("offset=0", ("offset", "unknown_field")),
        ("after=x", ("after", "invalid")),
        ("limit=5&limit=6", ("limit", "repeated_parameter")),
        ("ofset=5", ("ofset", "unknown_field")),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_page_out_of_range_is_refused_by_name(query, error):
    assert find_errors(QueryDict(query), PageQuery) == [error]


# For a run without the Big List of Naughty Strings.
NAUGHTY = [
    "",
    "null",
    "１２３",
    "Ω≈ç√∫",
    "\u202etest",
    "\u2028",
    "田中さん",
    "﷽",
    "🏳️‍🌈",
    "' OR 1=1 --",
    "\x1b[31m",
    "\ufeff",
]


def test_naughty_strings_come_back_unchanged_or_are_refused_by_name():
    for text in json.loads((SHARED / "corpora/blns.json").read_text()) if SHARED else NAUGHTY:
        assert read({"text": text})["text"] == text
        wrong = find_errors({"subject": text[:10], "from_": text, "scheduled_at": text})
        assert {field for field, _ in wrong} <= {"subject", "from_", "scheduled_at"}
        assert ("scheduled_at", "invalid_time") in wrong
