"""The typed reader takes what the serializer takes, with the same values, and nothing else."""

from base64 import b64encode
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st
from rest_framework import serializers

from common.times import format_time
from messages.api.fields import LenientSerializer
from messages.api.serializers import EMAIL_READER, EMAIL_REQUEST, explain_draft, read_draft
from messages.api.typed_bodies import TypedReader
from messages.states import Lane, OnUncertain

SOON = format_time(timezone.now() + timedelta(days=1))
GOOD = {
    "from_": "Shop <shop@mine.test>",
    "to": ["a@x.test", '"Doe, Jo" <jo@x.test>'],
    "cc": "c@x.test",
    "bcc": ["d@bücher.example"],
    "reply_to": ["r@x.test", "R@x.test"],
    "subject": "Your order é 你",
    "html": "<p>Hi</p>",
    "text": "Hi\r\nthere\t!",
    "domain_id": "018f4d5c-1111-7000-8000-000000000000",
    "track_opens": True,
    "track_clicks": False,
    "stream": "default",
    "enable_unsubscribe": False,
    "scheduled_at": SOON,
    "expires_at": format_time(timezone.now() + timedelta(days=3)),
    "attachments": [{"filename": "a/b.txt", "content_type": "text/plain", "content_b64": b64encode(b"abc").decode()}],
    "headers": {"X-One": "1"},
    "tags": ["a", "b", "a"],
    "metadata": {"order": "7"},
    "priority": "bulk",
    "on_uncertain": "hold",
}
OF_TEMPLATE = {"to": "a@x.test", "template_id": "t", "template_vars": {"a": [1, None, {"b": 2.5}]}, "locale": "de-at"}

# Values of every type, and those that rules of single fields look for.
JUNK = st.one_of(
    st.sampled_from([None, "", {}, [], 0, 1, -1, 1.5, True, False, "x", "a@x.test", ["a@x.test"], [["a@x.test"]]]),
    st.sampled_from(["a@", "a\nb", "a\0b", "\u2028", "x" * 1000, "é" * 999, " ", "2020-01-01", "not-a-time"]),
    st.sampled_from([{"a": 1}, {"a": None}, {"X-Y": "z\n"}, {"Bcc": "a@x.test"}, [1], [None], ["x" * 65], ["", "a"]]),
    st.sampled_from([[{}], [{"filename": "a"}], [GOOD["attachments"]], GOOD["attachments"] * 9, "dGVzdA==", SOON]),
    st.sampled_from([[{**GOOD["attachments"][0], "content_b64": text}] for text in ("", None, "ab", "a-_b", "=")]),
    st.sampled_from([[{**GOOD["attachments"][0], "content_id": text}] for text in ("<a@b>", "", "a b", None)] * 1),
    st.sampled_from([*Lane.values, *OnUncertain.values, "de", "x y", "multipart/mixed", "018f4d5c"]),
    st.text(max_size=5),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=3), lambda each: st.lists(each), max_leaves=5
    ),
)
NAMES = st.sampled_from([*EMAIL_REQUEST.fields, "from", "unknown", "From"])


def take_out(body: dict[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in names}


BODIES = st.builds(
    lambda base, out, changes: {**take_out(base, out), **changes},
    st.sampled_from([GOOD, OF_TEMPLATE, {"to": "a@x.test", "subject": "s", "text": "t"}]),
    st.sets(NAMES, max_size=4),
    st.dictionaries(NAMES, JUNK, max_size=3),
)


def compare(body: dict[str, Any]) -> bool:
    """Whether the typed reader took a body; what both make of it is the same."""
    expected = explain_draft(body)
    assert read_draft(body) == expected
    if (values := EMAIL_READER.read(body)) is None:
        return False
    assert not expected[1], "the serializer refuses what the types took"
    assert values == EMAIL_REQUEST.inspect(body)[0]
    return True


@settings(max_examples=120)
@given(body=BODIES)
def test_both_make_the_same_of_any_body(body: dict[str, Any]) -> None:
    compare(body)


@pytest.mark.parametrize("name", GOOD)
def test_a_valid_body_needs_no_serializer_whatever_fields_it_has(name: str) -> None:
    assert compare(GOOD)
    assert compare(OF_TEMPLATE)
    assert compare({"to": "a@x.test", "subject": "s", "text": "t", name: GOOD[name]})
    body = {**GOOD, name: None}
    assert compare(body) == (not explain_draft(body)[1])
    # An empty value of another type counts as absent too; the serializer reads it.
    for absent in ("", {}, []):
        compare({**GOOD, name: absent})


def test_an_alias_is_read_and_both_names_are_refused() -> None:
    body = take_out(GOOD, {"from_"})
    assert compare({**body, "from": "a@x.test"})
    assert compare({**body, "from": "a@x.test", "from_": None})
    assert not compare({**body, "from": "a@x.test", "from_": "b@x.test"})


def test_large_bodies_are_read_alike() -> None:
    large = "é" * (1024 * 1024)
    assert compare({**GOOD, "html": large, "text": large})
    assert not compare({**GOOD, "html": large + "x"})


def test_a_field_of_an_unknown_kind_is_noticed_at_the_start() -> None:
    class Unknown(LenientSerializer):
        place = serializers.IPAddressField(required=False)
        size = serializers.DecimalField(max_digits=3, decimal_places=1)

    with pytest.raises((StopIteration, AssertionError)):
        TypedReader(Unknown())
