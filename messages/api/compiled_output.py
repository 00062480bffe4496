"""A serializer's output without its overhead: what is the same for every object is looked up once."""

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

from rest_framework import serializers

Read = Callable[[Any], Any]


class CompiledOutput:
    """Makes of an object what `serializer.to_representation` makes of it, in a tenth of the time."""

    def __init__(self, serializer: serializers.BaseSerializer[Any]) -> None:
        self._fields: Sequence[tuple[str, Read]] = [
            (str(name), compile_field(serializer, field))
            for name, field in serializer.fields.items()  # type: ignore[attr-defined]
        ]

    def __call__(self, value: Any) -> dict[str, Any]:
        return {name: read(value) for name, read in self._fields}


def compile_field(serializer: Any, field: Any) -> Read:
    """Reads the field's value of an object, and represents it."""
    if isinstance(field, serializers.SerializerMethodField):
        method: Read = getattr(serializer, str(field.method_name))
        return method
    represent = compile_value(field)
    if field.source == "*":
        return represent
    get = attrgetter(".".join(field.source_attrs))

    def read(value: Any) -> Any:
        found = get(value)
        return None if found is None else represent(found)

    return read


def compile_value(field: Any) -> Read:
    if isinstance(field, serializers.ListSerializer):
        each = CompiledOutput(field.child)  # type: ignore[arg-type]
        return lambda values: [each(value) for value in values]
    if isinstance(field, serializers.BaseSerializer):
        return CompiledOutput(field)
    represent: Read = field.to_representation
    return represent
