"""What a request says beside its mail: in fields of its own, and in header fields that another service reads."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from common.errors import FieldErrors
from delivery.mime.fields import Field

# The values of header fields by their names in lower case → fields of a request. Raises InvalidFieldsError.
ReadOwn = Callable[[Mapping[str, Sequence[str]]], Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """`given` are fields of a request, which come before what the mail says. `own` are names of header fields, in lower
    case, that are read by `read_own` and removed; what they give comes after our own header fields.
    """

    given: Mapping[str, Any] = field(default_factory=dict)
    own: frozenset[str] = frozenset()
    read_own: ReadOwn = field(default=lambda _values: {})

    def read(self, fields: Sequence[Field], errors: FieldErrors) -> Mapping[str, Any]:
        """The fields of a request that the mail's own header fields give."""
        values: dict[str, list[str]] = {}
        for each in fields:
            if each.name.lower() in self.own:
                values.setdefault(each.name.lower(), []).append(each.decode())
        with errors.collect():
            return self.read_own(values)
        return {}


NOTHING = Beside()


def join_fields(*parts: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of all parts; later ones win, and objects such as `metadata` are joined."""
    joined: dict[str, Any] = {}
    for part in parts:
        for name, value in part.items():
            before = joined.get(name)
            both = isinstance(before, Mapping) and isinstance(value, Mapping)
            joined[name] = {**before, **value} if both else value  # type: ignore[dict-item]  # both are mappings
    return joined
