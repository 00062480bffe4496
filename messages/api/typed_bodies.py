"""Typed decoding of request bodies: a valid one passes msgspec's types, made from a serializer, and the field's rules.

A body that it refuses goes to the serializer, which alone makes the texts of errors, and the OpenAPI document. A kind
of field without a line in `TYPES` stops the process at its start.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec
from django.core.validators import MaxLengthValidator, MinLengthValidator, ProhibitNullCharactersValidator
from rest_framework import serializers
from rest_framework.validators import ProhibitSurrogateCharactersValidator

from common.serializers import AddressField
from messages.api.attachment_fields import AttachmentSerializer, AttachmentsField
from messages.api.fields import (
    ABSENT,
    AddressListField,
    HeadersField,
    LenientSerializer,
    MetadataField,
    TagsField,
)

Rule = Callable[[Any], Any]
# The type holds the lengths, and `check_text` the characters.
KNOWN_VALIDATORS = (
    MaxLengthValidator,
    MinLengthValidator,
    ProhibitNullCharactersValidator,
    ProhibitSurrogateCharactersValidator,
)
# What a rule raises for a value that the serializer is to explain.
REFUSALS = (serializers.ValidationError, msgspec.ValidationError)


class TypedReader:
    """Reads the bodies of one serializer."""

    def __init__(self, serializer: LenientSerializer) -> None:
        self._serializer = serializer
        self._body = make_struct(serializer)
        fields = list_fields(serializer)
        self._rules = [(name, make_rule(serializer, name)) for name in fields]
        self._required = [name for name, field in fields.items() if field.required]
        self._aliases = [(hide(alias), name) for alias, name in serializer.aliases.items()]

    def read(self, data: Mapping[str, Any]) -> dict[str, Any] | None:
        """The values of a valid body, as `serializer.inspect` has them; None if the serializer has to look at it."""
        try:
            return self.convert(data)
        except REFUSALS:
            return None

    def convert(self, data: Any) -> dict[str, Any]:
        """As `read`, but raises one of REFUSALS."""
        given = dict(self._list_given(msgspec.structs.asdict(msgspec.convert(data, self._body, strict=True))))
        if any(name not in given for name in self._required):
            raise msgspec.ValidationError("a field is missing")
        values = {name: rule(given[name]) for name, rule in self._rules if name in given}
        if self._serializer.find_conflicts(values, given.keys()):
            raise msgspec.ValidationError("fields contradict each other")
        return values

    def _list_given(self, body: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        """The fields that count as given, aliases by their fields' names."""
        for alias, name in self._aliases:
            value = body[alias]
            if value is not None and value not in ABSENT:
                if body[name] not in ABSENT:
                    raise msgspec.ValidationError("a field is given twice")
                yield name, value
        for name, _ in self._rules:
            value = body[name]
            if value is not None and (value not in ABSENT or name in self._serializer.strict_about):
                yield name, value


def make_struct(serializer: LenientSerializer) -> type[msgspec.Struct]:
    """The type of a body; null stands for an absent field."""
    types = {name: find_type(field) | None for name, field in list_fields(serializer).items()}
    hidden = {hide(alias): types[name] for alias, name in serializer.aliases.items()}
    return msgspec.defstruct(
        type(serializer).__name__,
        [(name, type_, None) for name, type_ in {**types, **hidden}.items()],
        forbid_unknown_fields=True,
        rename={hide(alias): alias for alias in serializer.aliases},
        gc=False,
    )


def list_fields(serializer: LenientSerializer) -> dict[str, Any]:
    return {str(name): field for name, field in serializer.fields.items()}


def hide(alias: str) -> str:
    """The name of an alias in the type: `from` is a word of Python."""
    return f"alias_{alias}"


def type_text(field: Any) -> Any:
    return Annotated[str, msgspec.Meta(max_length=field.max_length)] if field.max_length else str


# The type of each kind of field; the first match counts.
TYPES: Sequence[tuple[type[Any], Callable[[Any], Any]]] = (
    (serializers.BooleanField, lambda _: bool),
    (serializers.ChoiceField, lambda field: Literal[tuple(map(str, field.choices))]),
    (serializers.DateTimeField, lambda _: str),
    (serializers.UUIDField, lambda _: str),
    (serializers.CharField, type_text),
    (AddressField, lambda _: str),
    (AddressListField, lambda _: str | list[str]),
    (AttachmentsField, lambda _: list[Any]),
    (HeadersField, lambda _: dict[str, Any]),
    (MetadataField, lambda _: dict[str, str]),
    (serializers.DictField, lambda _: dict[str, Any]),
    (TagsField, lambda _: list[str]),
)


def find_type(field: Any) -> Any:
    return next(make(field) for kind, make in TYPES if isinstance(field, kind))


def make_rule(serializer: LenientSerializer, name: str) -> Rule:
    """The checks of a field that its type does not make, and the conversion of its value."""
    field: Any = serializer.fields[name]
    others = [each for each in field.validators if not isinstance(each, KNOWN_VALIDATORS)]
    assert not others, f"{name}: a validator beside the type"
    assert not field.allow_null, f"{name}: null stands for an absent field"
    steps: list[Rule] = [check_text(field)] if isinstance(field, serializers.CharField) else []
    steps.append(read_files if isinstance(field, AttachmentsField) else field.to_internal_value)
    if validate := getattr(serializer, f"validate_{name}", None):
        steps.append(validate)

    def apply(value: Any) -> Any:
        for step in steps:
            value = step(value)
        return value

    return apply


def check_text(field: Any) -> Rule:
    """Refuses what DRF's own validators do, which look at each character in Python."""
    least = max(field.min_length or 0, 0 if field.allow_blank else 1)

    def check(value: str) -> str:
        if len(value) < least or "\0" in value or not (value.isascii() or is_encodable(value)):
            raise msgspec.ValidationError("a text is refused")
        return value

    return check


def is_encodable(text: str) -> bool:
    """Whether no half of a surrogate pair is in `text`."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


FILES = AttachmentsField()
FILE = AttachmentSerializer()
FILE_READER = TypedReader(FILE)


def read_files(data: Sequence[Any]) -> Any:
    """The files of an email, as `AttachmentsField` has them."""
    FILES.check_count(data)
    return FILES.check_all([FILE.build(FILE_READER.convert(item)) for item in data])
