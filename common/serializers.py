"""Serializers and fields that take what is meant and nothing else."""

import re
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from difflib import get_close_matches
from typing import Any, ClassVar, cast

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from common.addresses import Address, AddressError, parse_address
from common.errors import MAX_ERRORS, MAX_PATH
from common.text import find_control_character
from common.times import TimeError, format_time, parse_time

# Looking for a similar name costs a quarter of a millisecond: not for everything that a hostile body holds.
MAX_HINTS = 3
MAX_HINT_LENGTH = 40
DIGITS = re.compile(r"-?[0-9]+\Z")
LOST_PLUS = re.compile(r"([Tt][0-9:.]{5,18}) (?=[0-9]{2}:?[0-9]{2}\Z)")


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses fields that it does not know (`unknown_field`), with a hint when a known one is close.

    `aliases` maps other names that are accepted to the field's own: `{"from": "from_"}`. Both at once are refused.
    """

    aliases: ClassVar[Mapping[str, str]] = {}
    # Whether null is as good as leaving an optional field out: for the OpenAPI document.
    takes_null: ClassVar[bool] = False

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return super().to_internal_value(data)
        errors: dict[str, Any] = {}
        known = self.rename_aliases(data, errors)
        errors |= self.find_unknown(known)
        try:
            value = super().to_internal_value(known)
        except serializers.ValidationError as error:
            errors |= cast(dict[str, Any], error.detail)
        if errors:
            raise serializers.ValidationError(errors)
        return value

    def rename_aliases(self, data: Mapping[str, Any], errors: dict[str, Any]) -> Mapping[str, Any]:
        used = [alias for alias in self.aliases if alias in data]
        if not used:
            return data
        renamed = {name: value for name, value in data.items() if name not in used}
        for alias in used:
            if self.aliases[alias] in data:
                errors[alias] = [wrong(f"Is the same field as {self.aliases[alias]}: give one.", "ambiguous_field")]
            renamed.setdefault(self.aliases[alias], data[alias])
        return renamed

    def find_unknown(self, data: Mapping[str, Any]) -> dict[str, Any]:
        writable = {name for name, field in self.fields.items() if not field.read_only}
        unknown = [str(name) for name in data if name not in writable][:MAX_ERRORS]
        return {
            name[:MAX_PATH]: [wrong(describe_unknown(name, writable if index < MAX_HINTS else ()), "unknown_field")]
            for index, name in enumerate(unknown)
        }


def wrong(message: str, code: str) -> serializers.ErrorDetail:
    return serializers.ErrorDetail(message, code)


def describe_unknown(name: str, candidates: Collection[str]) -> str:
    """The sentence for an unknown field, naming a candidate that it may have been meant to be."""
    close = get_close_matches(name, candidates, 1, 0.75) if candidates and len(name) <= MAX_HINT_LENGTH else []
    return f"There is no such field; did you mean {close[0]}?" if close else "There is no such field."


class StrictCharField(serializers.CharField):
    """Only a string is a string: numbers are refused, spaces are kept."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("trim_whitespace", False)
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return str(super().to_internal_value(data))


class SingleLineField(StrictCharField):
    """A string without control characters (`control_character`): what goes into a header or a list."""

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if found := find_control_character(text):
            message = f"Must not hold the control character {found}."
            raise serializers.ValidationError(message, code="control_character")
        return text


class StrictBooleanField(serializers.BooleanField):
    """Only `true` and `false`: neither `"yes"` nor `1`."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class StrictIntegerField(serializers.IntegerField):
    """Only a whole number: neither `"1"`, `1.0` nor `true`."""

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        return data


class StrictDateTimeField(serializers.DateTimeField):
    """ISO 8601 with an offset in, UTC with `Z` out. Codes `invalid_time`, `offset_required`."""

    def to_internal_value(self, value: Any) -> datetime:
        try:
            return parse_time(value if isinstance(value, str) else "")
        except TimeError as error:
            raise serializers.ValidationError(error.message, code=error.code) from None

    def to_representation(self, value: datetime) -> str:
        return format_time(value) or ""


@extend_schema_field({"type": "string", "examples": ["jo@example.com", "Jo Doe <jo@example.com>"]})
class AddressField(serializers.Field[Address, Any, str, Any]):
    """`a@b.c` or `Name <a@b.c>`, as an `Address`. Its codes are those of `parse_address`."""

    default_error_messages = {"invalid": "Must be a string: a@example.com or Name <a@example.com>."}

    def to_internal_value(self, data: Any) -> Address:
        if not isinstance(data, str):
            self.fail("invalid")
        try:
            return parse_address(data)
        except AddressError as error:
            raise serializers.ValidationError(error.message, code=error.code) from None

    def to_representation(self, value: Address) -> str:
        return value.address


class QuerySerializer(StrictSerializer):
    """Strict also about the query string: each parameter at most once.

    Use `Sub(data=request.query_params)`. Fields get strings: numbers and times have fields of their own here.
    """

    def to_internal_value(self, data: Any) -> Any:
        repeated = list(find_repeated(data))
        if repeated:
            raise serializers.ValidationError(
                {name: [wrong("Must stand only once.", "repeated_parameter")] for name in repeated}
            )
        return super().to_internal_value({name: data[name] for name in data})


def find_repeated(query: Any) -> Iterator[str]:
    return (name for name, values in query.lists() if len(values) > 1)


class QueryIntegerField(serializers.IntegerField):
    """A whole number in digits, of any length that its bounds leave: neither `1.0` nor ` 1`."""

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, str) or not DIGITS.match(data):
            self.fail("invalid")
        return super().to_internal_value(data)


class QueryDateTimeField(StrictDateTimeField):
    """A time in a query string, where a plus sign that was not escaped arrives as a space."""

    def to_internal_value(self, value: Any) -> datetime:
        return super().to_internal_value(LOST_PLUS.sub(r"\1+", value) if isinstance(value, str) else value)


class PageQuery(QuerySerializer):
    """`limit` (1 to 100, by default 20) and `offset` (0 or more). Lists add their filters by subclassing."""

    limit = QueryIntegerField(min_value=1, max_value=100, default=20, help_text="How many: 1 to 100, by default 20.")
    offset = QueryIntegerField(
        min_value=0, max_value=2**31 - 1, default=0, help_text="How many are left out before them."
    )
