"""Wrong values of each field that the API's document describes: a new one is covered by itself."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tests.architecture.test_tenancy import resource_of
from tests.security.asking import Ask, Owned, refuse_field

# The values that each type of a schema refuses. Empty ones count as absent in some bodies.
WRONG: Mapping[str, tuple[Any, ...]] = {
    "string": (5, True, {"a": 1}, ["a"]),
    "boolean": ("true", 5, ["a"], {"a": 1}),
    "integer": ("five", 1.5, ["a"], {"a": 1}),
    "number": ("five", ["a"], {"a": 1}),
    "array": (5, "a", {"a": 1}),
    "object": (5, "a", ["a"]),
}
CODES: Mapping[str, str] = {"array": "not_a_list", "object": "not_a_dict", "date-time": "invalid_time"}
# Fields that are read by a table or a form of their own.
OF_THEIR_OWN = frozenset({"tags", "headers", "metadata", "settings"})
# What JSON can write and nothing can carry.
UNCARRIED = {"nul_character": b"a\\u0000b", "lone_surrogate": b"a\\ud800"}


@dataclass(frozen=True, slots=True)
class DescribedField:
    """A field of a body, with the operation that takes it."""

    method: str
    path: str
    name: str
    schema: Mapping[str, Any]

    @property
    def code(self) -> str:
        """Of a value of another type."""
        if "enum" in self.schema:
            return "invalid_choice"
        if self.name in OF_THEIR_OWN:
            return "invalid"
        return CODES.get(self.schema.get("format", ""), CODES.get(self.type, "invalid"))

    @property
    def type(self) -> str:
        """The name of its type in JSON beside null; empty for a choice of several."""
        written = self.schema.get("type", "")
        types = [each for each in ([written] if isinstance(written, str) else written) if each != "null"]
        return types[0] if len(types) == 1 else ""


def resolve(document: Any, schema: Any) -> Any:
    """A schema without references."""
    while "$ref" in schema or len(schema.get("allOf", [])) == 1:
        schema = (
            document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
            if "$ref" in schema
            else schema["allOf"][0]
        )
    return schema


def fill_path(path: str, owned: Owned) -> str:
    values = owned.get(resource_of(path), {})
    named = {**values, "id": values.get("pk", "")}
    return path.removeprefix("/api/v1").format(**named)


def list_fields(document: Any, owned: Owned) -> Iterator[DescribedField]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json")
            schema = resolve(document, content["schema"]) if content else {}
            for name, described in schema.get("properties", {}).items():
                yield DescribedField(method.upper(), fill_path(path, owned), name, resolve(document, described))


def by_caller(ask: Ask) -> Ask:
    return replace(ask, by="admin_api") if "/admin/" in ask.path else ask


def list_wrong_types(document: Any, owned: Owned) -> Iterator[Ask]:
    for each in list_fields(document, owned):
        for value in WRONG.get(each.type, ()):
            yield by_caller(refuse_field(each.path, {each.name: value}, each.name, each.code, each.method))


def list_uncarried(document: Any, owned: Owned) -> Iterator[Ask]:
    for each in list_fields(document, owned):
        for code, text in UNCARRIED.items():
            body = b'{"%b": "%b"}' % (each.name.encode(), text)
            yield by_caller(refuse_field(each.path, body, each.name, code, each.method))
