"""Strict JSON: accepted input, and every reason for rejection."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import ApiError, InvalidFieldsError
from common.strict_json import parse_json
from tests.effort import count_calls

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**18), 10**18)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(PLAIN, st.booleans())
def test_ordinary_json_is_read_as_the_standard_library_reads_it(value, ensure_ascii):
    assert parse_json(json.dumps(value, ensure_ascii=ensure_ascii).encode()) == value


REFUSALS = [
    (b"", "malformed_json"),
    (b"   ", "malformed_json"),
    (b"{", "malformed_json"),
    (b"{} x", "malformed_json"),
    (b"{'a': 1}", "malformed_json"),
    (b"{a: 1}", "malformed_json"),
    (b"[1,]", "malformed_json"),
    (b"01", "malformed_json"),
    (b"+1", "malformed_json"),
    (b".5", "malformed_json"),
    (b"1.", "malformed_json"),
    (b"0x1", "malformed_json"),
    (b"// c\n1", "malformed_json"),
    (b"NaN", "malformed_json"),
    (b'{"a": Infinity}', "malformed_json"),
    (b"[-Infinity]", "malformed_json"),
    (b'"\x01"', "malformed_json"),
    (b'"line\nbreak"', "malformed_json"),
    (b'"\\x"', "malformed_json"),
    (b'"\\u12"', "malformed_json"),
    (b'"open', "malformed_json"),
    (b'"open\\', "malformed_json"),
    (b"\0{}", "malformed_json"),
    (b"\xef\xbb\xbf\xef\xbb\xbf{}", "malformed_json"),
    (b'"\xff"', "invalid_utf8"),
    (b'"\xc0\x80"', "invalid_utf8"),
    (b'"\xed\xa0\x80"', "invalid_utf8"),
    ('{"a": 1}'.encode("utf-16"), "invalid_utf8"),
    (b'{"a": 1, "a": 1}', "duplicate_key"),
    (b'{"x": {"a": 1, "b": 2, "a": 3}}', "duplicate_key"),
    (b'{"a": 1, "\\u0061": 2}', "duplicate_key"),
    (b"[" * 33 + b"]" * 33, "json_too_deep"),
    (b'{"a":' * 33 + b"1" + b"}" * 33, "json_too_deep"),
    (b"[" * 150 + b"]" * 150, "json_too_deep"),
    (b"[" * 100_000, "json_too_deep"),
    (b'{"a":' * 5_000 + b"1" + b"}" * 5_000, "json_too_deep"),
    (json.dumps({str(n): n for n in range(1_001)}).encode(), "json_too_large"),
    (b"[" + b"[]," * 60_000 + b"[]]", "json_too_large"),
    (b"[" + b"0," * 600_000 + b"0]", "json_too_large"),
    (b"9" * 21, "number_out_of_range"),
    (b"-" + b"9" * 4_000, "number_out_of_range"),
    (b"1e400", "number_out_of_range"),
    (b"-1e400", "number_out_of_range"),
    (b"0." + b"1" * 5_000, "number_out_of_range"),
]


@pytest.mark.parametrize(("body", "code"), REFUSALS, ids=lambda value: repr(value)[:40])
def test_invalid_json_is_rejected_with_400_and_its_code(body, code):
    with pytest.raises(ApiError) as caught:
        parse_json(body)
    assert (caught.value.status, caught.value.public_code) == (400, code)
    assert "{" not in caught.value.detail


UNSAFE = [
    (rb'{"a": {"b": ["x", "\u0000"]}}', "a.b[1]", "nul_character"),
    (rb'{"a": "\ud800"}', "a", "lone_surrogate"),
    (rb'{"a": "\udc00\ud800"}', "a", "lone_surrogate"),
    (rb'{"a": "\uDBFF x"}', "a", "lone_surrogate"),
    (rb'{"list": [{"na\u0000me": 1}]}', "list[0]", "nul_character"),
    (rb'{"\ud800": 1}', "", "lone_surrogate"),
    (rb'"\u0000"', "", "nul_character"),
]


@pytest.mark.parametrize(("body", "field", "code"), UNSAFE)
def test_strings_that_nothing_can_carry_are_refused_by_field(body, field, code):
    with pytest.raises(InvalidFieldsError) as caught:
        parse_json(body)
    assert [(error.field, error.code) for error in caught.value.errors] == [(field, code)]
    assert caught.value.public_code == code


def test_escapes_that_only_look_unsafe_are_taken():
    assert parse_json(rb'["\\u0000", "\ud83d\ude00"]') == ["\\u0000", "\U0001f600"]


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 32 + b"]" * 32,
        b"9" * 20,
        b"-0",
        b"\xef\xbb\xbf{}",
        json.dumps({str(n): n for n in range(1_000)}).encode(),
        json.dumps({"css": "{[" * 100_000}).encode(),
        json.dumps(['\\"]}' * 100, {"a": "}" * 300}, ["{" * 300]]).encode(),
    ],
    ids=lambda body: repr(body)[:30],
)
def test_the_bounds_themselves_are_taken(body):
    assert parse_json(body) == json.loads(body)


@pytest.mark.parametrize(
    "body",
    [b"[" * 16_000_000, b'{"a":' * 3_000_000, b'"' + b"\\" * 15_999_999, b'["\\"' * 3_000_000, b"[{}," * 4_000_000],
    ids=lambda body: repr(body[:20]),
)
def test_sixteen_hostile_mebibytes_are_refused_before_anything_is_built(body):
    def refuse():
        with pytest.raises(ApiError):
            parse_json(body)

    # At most one for each string that is passed over, and some for each thing that opens.
    assert count_calls(refuse) < 4_000_000


def test_a_long_name_over_many_unsafe_strings_costs_no_long_answer():
    body = json.dumps({"n" * 1_000_000: ["\0"] * 100_000}).encode()
    with pytest.raises(InvalidFieldsError) as caught:
        parse_json(body)
    assert len(caught.value.errors) == 1_000
    assert all(len(error.field) <= 200 for error in caught.value.errors)
