"""Strict serializers and fields."""

import re
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.fields import SkipField

from common.addresses import Address, AddressError, parse_address
from common.errors import MAX_ERRORS, MAX_PATH
from common.suggestions import describe_unknown
from common.text import find_control_character
from common.times import TimeError, format_time, parse_time

# A search for a similar name takes a quarter of a millisecond, so a hostile body must not trigger many.
MAX_HINTS = 3
NO_FIELD = "Unknown field."
DIGITS = re.compile(r"-?[0-9]+\Z")
LOST_PLUS = re.compile(r"([Tt ][0-9:.,]{2,18}) (?=[0-9]{2}(?::?[0-9]{2})?\Z)")


class StrictSerializer(serializers.Serializer[Any]):
    """Rejects unknown fields (`unknown_field`), with a hint if a known name is close.

    All errors are reported at once: in single fields, and between fields (`find_conflicts`). `aliases` maps other
    accepted names to the field's own: `{"from": "from_"}`. Both at once are rejected.
    """

    aliases: ClassVar[Mapping[str, str]] = {}
    # Whether null counts as an omitted optional field: for the OpenAPI document.
    takes_null: ClassVar[bool] = False

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return super().to_internal_value(data)
        values, errors = self.inspect(data)
        if errors:
            raise serializers.ValidationError(errors)
        return values

    def inspect(self, data: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The values of the valid fields, and the errors of the others, each by the field's name.

        DRF's own method is not used: it discards the valid values after any error, and so cannot check between fields
        then.
        """
        errors: dict[str, Any] = {}
        known = self.rename_aliases(data, errors)
        errors |= self.find_unknown(known)
        values: dict[str, Any] = {}
        for field in self._writable_fields:
            try:
                value = self.read_field(field, known)
            except serializers.ValidationError as error:
                errors[str(field.field_name)] = error.detail
            except SkipField:
                continue
            else:
                self.set_value(values, field.source_attrs, value)
        conflicts = self.find_conflicts(values, known.keys())
        return values, errors | {name: detail for name, detail in conflicts.items() if name not in errors}

    def read_field(self, field: Any, data: Mapping[str, Any]) -> Any:
        value = field.run_validation(field.get_value(data))
        validate = getattr(self, f"validate_{field.field_name}", None)
        return validate(value) if validate else value

    def find_conflicts(self, values: Mapping[str, Any], given: Collection[str]) -> dict[str, Any]:  # noqa: ARG002
        """Errors between fields, by the name of the invalid field; nested as DRF's details are.

        `values` are those of the valid fields; `given` names all fields that the caller sent.
        """
        return {}

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
        writable = [name for name, field in self.fields.items() if not field.read_only]
        unknown = [str(name) for name in data if name not in writable][:MAX_ERRORS]
        return {
            name[:MAX_PATH]: [
                wrong(describe_unknown(NO_FIELD, name, writable if index < MAX_HINTS else ()), "unknown_field")
            ]
            for index, name in enumerate(unknown)
        }


class NoFields(StrictSerializer):
    """An empty body: `{}`, or no body at all."""


def wrong(message: str, code: str) -> serializers.ErrorDetail:
    return serializers.ErrorDetail(message, code)


class StrictCharField(serializers.CharField):
    """Accepts only strings: numbers are rejected, spaces are kept."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("trim_whitespace", False)
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return str(super().to_internal_value(data))


class SingleLineField(StrictCharField):
    """A string without control characters (`control_character`): for headers and lists."""

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if found := find_control_character(text):
            message = f"Must not hold the control character {found}."
            raise serializers.ValidationError(message, code="control_character")
        return text


class StrictBooleanField(serializers.BooleanField):
    """Accepts only `true` and `false`: neither `"yes"` nor `1`."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class StrictIntegerField(serializers.IntegerField):
    """Accepts only whole numbers: neither `"1"`, `1.0` nor `true`."""

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        return data


class StrictUUIDField(serializers.UUIDField):
    """A UUID that must be a string: the number 5 is rejected."""

    def to_internal_value(self, data: Any) -> UUID:
        if not isinstance(data, str):
            self.fail("invalid", value=data)
        return super().to_internal_value(data)


class StrictChoiceField(serializers.ChoiceField):
    """One of several words. The error names the nearest one, or the choices if they are few."""

    default_error_messages = {"invalid_choice": "Unknown choice."}

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, str) and data in self.choice_strings_to_values:
            return self.choice_strings_to_values[data]
        sentence = str(self.error_messages["invalid_choice"])
        message = describe_unknown(sentence, str(data)[:MAX_PATH], list(self.choice_strings_to_values))
        raise serializers.ValidationError(message, code="invalid_choice")


class StrictDateTimeField(serializers.DateTimeField):
    """ISO 8601 with an offset as input, UTC with `Z` as output. Codes `invalid_time`, `offset_required`."""

    def to_internal_value(self, value: Any) -> datetime:
        try:
            return parse_time(value if isinstance(value, str) else "")
        except TimeError as error:
            raise serializers.ValidationError(error.message, code=error.code) from None

    def to_representation(self, value: datetime) -> str:
        return format_time(value) or ""


@extend_schema_field({"type": "string", "examples": ["jo@example.com", "Jo Doe <jo@example.com>"]})
class AddressField(serializers.Field[Address, Any, str, Any]):
    """`a@b.c` or `Name <a@b.c>`, as an `Address`. Its error codes are those of `parse_address`."""

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
    """Also strict about the query string: each parameter at most once.

    Use `Sub(data=request.query_params)`. Fields receive strings: numbers and times have their own fields here.
    """

    def inspect(self, data: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        values, errors = super().inspect({name: data[name] for name in data})
        repeated = {name: [wrong("Must appear only once.", "repeated_parameter")] for name in find_repeated(data)}
        return values, {**errors, **repeated}


def find_repeated(query: Any) -> Iterator[str]:
    return (name for name, values in query.lists() if len(values) > 1)


class QueryBooleanField(serializers.BooleanField):
    """`true` or `false`."""

    def to_internal_value(self, data: Any) -> bool:
        if data not in {"true", "false"}:
            self.fail("invalid", input=data)
        return bool(data == "true")


class QueryIntegerField(serializers.IntegerField):
    """A whole number in digits, of any length within its bounds: neither `1.0` nor ` 1`."""

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, str) or not DIGITS.match(data):
            self.fail("invalid")
        return super().to_internal_value(data)


class QueryDateTimeField(StrictDateTimeField):
    """A time in a query string, in which an unescaped plus sign arrives as a space."""

    def to_internal_value(self, value: Any) -> datetime:
        return super().to_internal_value(LOST_PLUS.sub(r"\1+", value) if isinstance(value, str) else value)


class NoQuery(QuerySerializer):
    """No parameters."""


class PageQuery(QuerySerializer):
    """`limit` (1 to 100, by default 20) and `after`. Lists add their filters in subclasses."""

    limit = QueryIntegerField(
        min_value=1, max_value=100, default=20, help_text="Number of rows: 1 to 100, by default 20."
    )
    after: serializers.Field[Any, Any, Any, Any] = serializers.UUIDField(
        required=False, help_text="The `next` of the previous page."
    )


class AbsentTextField(serializers.CharField):
    """Text, or null if there is none."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_null=True, **kwargs)

    def to_representation(self, value: str) -> str | None:  # type: ignore[override]
        return value or None


class TimeField(StrictDateTimeField):
    """A time, or null if it has not come."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_null=True, **kwargs)
