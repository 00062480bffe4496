"""Converts DRF's nested validation details to a flat list with paths."""

from collections.abc import Iterator, Mapping, Sequence

from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.settings import api_settings

from common.errors import MAX_MESSAGE, FieldError, join_path

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
