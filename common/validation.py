"""Runs the checks of serializers, and converts their nested errors to a flat list with paths."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from django.http import QueryDict
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.settings import api_settings

from common.errors import MAX_MESSAGE, FieldError, join_path
from common.serializers import QuerySerializer, StrictSerializer

NON_FIELD = api_settings.NON_FIELD_ERRORS_KEY


def list_field_errors(error: ValidationError) -> Iterator[FieldError]:
    """Every leaf of `error.detail` with its path, such as `attachments[2].content_b64`."""
    return walk_detail(error.detail, "")


def walk_detail(detail: object, path: str) -> Iterator[FieldError]:
    if isinstance(detail, ErrorDetail):
        yield FieldError(path, detail.code or "invalid", str(detail)[:MAX_MESSAGE])
    elif isinstance(detail, Mapping):
        for key, value in detail.items():
            # Errors of the whole object belong to the object itself.
            yield from walk_detail(value, path if key == NON_FIELD else join_path(path, key))
    elif isinstance(detail, Sequence) and not isinstance(detail, str):
        for index, value in enumerate(detail):
            # Strings in a list belong to the field itself; anything deeper belongs to the item of that index.
            yield from walk_detail(value, path if isinstance(value, str) else join_path(path, index))


def read_fields(serializer_class: type[StrictSerializer], data: object) -> dict[str, Any]:
    """`data` validated by the serializer; ValidationError names every error."""
    return dict(serializer_class().run_validation(data))


def join_details(*details: Any) -> dict[str, Any]:
    """The errors of several ValidationErrors by field; a field that several name keeps the errors of all."""
    joined: dict[str, Any] = {}
    for detail in details:
        for name, errors in detail.items():
            before = joined.get(name, [])
            # A field of an object has its errors by name: those stand for themselves.
            joined[name] = [*before, *errors] if isinstance(before, list) and isinstance(errors, list) else errors
    return joined


@cache
def needs_a_field(serializer_class: type[StrictSerializer]) -> bool:
    """Whether `{}` would be rejected."""
    return any(field.required for field in serializer_class().fields.values())


@cache
def means_nothing(query_class: type[QuerySerializer]) -> bool:
    """Whether a request without parameters is valid, and has no values."""
    try:
        return not read_fields(query_class, QueryDict())
    except ValidationError:
        return False
