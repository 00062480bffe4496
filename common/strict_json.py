"""Strict JSON for the API: RFC 8259 and I-JSON (RFC 7493), limited in every dimension.

A body that could exceed the limits is scanned before anything is built from it, so that a hostile one costs no more
than a read.
"""

import json
import re
from collections.abc import Iterator
from itertools import islice
from math import isinf
from typing import Never, TypeAlias

from common.errors import MAX_ERRORS, BadRequestError, FieldError, InvalidFieldsError, join_path

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"

MAX_DEPTH = 32
MAX_KEYS = 1_000
# Objects and arrays in one body. A batch of 500 emails with every allowed field stays below 10,000.
MAX_CONTAINERS = 50_000
MAX_VALUES = 500_000
# Up to so many levels the decoder's recursion is safe under any stack of ours (Python's limit is 1,000), and the depth
# may be measured on what was built: 3 instead of 40 µs for an email of 5 KB.
SAFE_DEPTH = 200
MAX_DIGITS = 20
MAX_FLOAT_LENGTH = 400


class MalformedJsonError(BadRequestError):
    """The body is not valid JSON: {reason}."""

    code = "malformed_json"


class InvalidUtf8Error(BadRequestError):
    """The body is not valid UTF-8: the byte at position {position} is invalid."""

    code = "invalid_utf8"


class DuplicateKeyError(BadRequestError):
    """The key {key} appears twice in one object."""

    code = "duplicate_key"


class JsonTooDeepError(BadRequestError):
    """The JSON is nested deeper than 32 levels."""

    code = "json_too_deep"


class JsonTooLargeError(BadRequestError):
    """The JSON contains too many {what}: the limit is {limit}."""

    code = "json_too_large"


class NumberOutOfRangeError(BadRequestError):
    """A number in the body is too large: integers may have 20 digits, other numbers must fit a double."""

    code = "number_out_of_range"


def parse_json(body: bytes | bytearray, *, max_values: int = MAX_VALUES) -> Json:
    """The value in `body`, with at most `max_values` commas. A UTF-8 byte order mark is ignored (RFC 8259, 8.1).

    Raises a `BadRequestError` for invalid JSON or an exceeded limit, and an `InvalidFieldsError` that names the
    field for a string with NUL or half a surrogate pair, which neither mail nor PostgreSQL can carry.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidUtf8Error(position=error.start) from None
    if isinstance(body, bytearray):
        body.clear()  # a large body is not kept beside its text
    opened = text.count("{") + text.count("[")
    if opened > SAFE_DEPTH or text.count(",") > max_values:
        check_bounds(text, max_values)
    value = decode(text)
    if MAX_DEPTH < opened <= SAFE_DEPTH:
        check_depth(value)
    if "\\u" in text and UNSAFE_ESCAPE.search(text):
        check_strings(value)
    return value


def decode(text: str) -> Json:
    try:
        value: Json = DECODER.decode(text)
    except json.JSONDecodeError as error:
        reason = error.msg.removesuffix(" at").rstrip(": ")
        raise MalformedJsonError(reason=f"{reason} at line {error.lineno}, column {error.colno}") from None
    return value


# A string (its end may be missing: the decoder reports that), or a structural character.
TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[{]|[\]}]|,', re.DOTALL)


def check_bounds(text: str, max_values: int) -> None:
    """Reject JSON that is too deep or has too many parts, without building it."""
    depth = containers = values = 0
    for match in TOKEN.finditer(text):
        match text[match.start()]:
            case "{" | "[":
                containers += 1
                depth += 1
                if depth > MAX_DEPTH:
                    raise JsonTooDeepError
                if containers > MAX_CONTAINERS:
                    raise JsonTooLargeError(what="objects and arrays", limit=MAX_CONTAINERS)
            case "}" | "]":
                depth -= 1
            case ",":
                values += 1
                if values > max_values:
                    raise JsonTooLargeError(what="values", limit=max_values)


def check_depth(value: Json) -> None:
    """Reject a value that is too deep; one level at a time, without recursion."""
    level: list[Json] = [value]
    for _ in range(MAX_DEPTH + 1):
        containers = [item for item in level if isinstance(item, dict | list)]
        if not containers:
            return
        level = [item for box in containers for item in (box.values() if isinstance(box, dict) else box)]
    raise JsonTooDeepError


def build_object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    if len(pairs) > MAX_KEYS:
        raise JsonTooLargeError(what="keys in one object", limit=MAX_KEYS)
    value = dict(pairs)
    if len(value) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for index, name in enumerate(names) if name in names[:index])
        raise DuplicateKeyError(key=json.dumps(twice[:100]))
    return value


def build_integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise NumberOutOfRangeError
    return int(digits)


def build_float(digits: str) -> float:
    if len(digits) > MAX_FLOAT_LENGTH or isinf(value := float(digits)):
        raise NumberOutOfRangeError
    return value


def refuse_constant(name: str) -> Never:
    raise MalformedJsonError(reason=f"{name} is not a JSON value")


DECODER = json.JSONDecoder(
    object_pairs_hook=build_object,
    parse_int=build_integer,
    parse_float=build_float,
    parse_constant=refuse_constant,
)

# Only escapes can produce these: raw controls are not JSON, and UTF-8 has no surrogates.
UNSAFE_ESCAPE = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
SURROGATE = re.compile("[\ud800-\udfff]")


def check_strings(value: Json) -> None:
    errors = list(islice(find_unsafe_strings(value, ""), MAX_ERRORS))
    if errors:
        raise InvalidFieldsError(errors)


def find_unsafe_strings(value: Json, path: str) -> Iterator[FieldError]:
    match value:
        case str():
            yield from find_unsafe_characters(value, path)
        case list():
            for index, item in enumerate(value):
                yield from find_unsafe_strings(item, join_path(path, index))
        case dict():
            for key, item in value.items():
                # An unsafe name is reported on its parent object, since the response could not contain it.
                is_safe = not any(find_unsafe_characters(key, path))
                yield from find_unsafe_characters(key, path)
                if is_safe:
                    yield from find_unsafe_strings(item, join_path(path, key))


def find_unsafe_characters(text: str, path: str) -> Iterator[FieldError]:
    if "\0" in text:
        yield FieldError(path, "nul_character", "Must not hold the NUL character.")
    if SURROGATE.search(text):
        yield FieldError(path, "lone_surrogate", "Must not hold half of a surrogate pair.")
