"""JSON Schemas of the OpenAPI document as rows that people read: a field, its type, what it means."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Schema = Mapping[str, Any]
# Objects in objects are shown so deep; below that their name says enough.
MAX_DEPTH = 3
FORMATS = {"date-time": "time", "uuid": "id", "uri": "URL", "binary": "bytes"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaField:
    """One member of an object, or one parameter. `text` is Markdown."""

    name: str
    type: str
    is_required: bool = False
    text: str = ""


class Schemas:
    """The schemas of one document, by which references are followed."""

    def __init__(self, components: Mapping[str, Schema]) -> None:
        self._components = components

    def follow(self, schema: Schema) -> Schema:
        """The schema itself, whatever refers to it; what stands beside the reference counts first."""
        name = schema.get("$ref", "").rpartition("/")[2]
        if name:
            return {**self.follow(self._components[name]), **{k: v for k, v in schema.items() if k != "$ref"}}
        if len(schema.get("allOf", ())) == 1:
            return {**self.follow(schema["allOf"][0]), **{k: v for k, v in schema.items() if k != "allOf"}}
        return schema

    def list_fields(self, schema: Schema, *, prefix: str = "", depth: int = 0) -> Iterator[SchemaField]:
        """The members of an object, or of the objects in an array, each followed by its own members."""
        schema = self.follow(schema)
        if schema.get("type") == "array":
            schema = self.follow(schema["items"])
        required = schema.get("required", ())
        for name, member in schema.get("properties", {}).items():
            full = self.follow(member)
            description = str(full.get("description", "") if "description" in member or not depth else "")
            text = description if "description" in member or "$ref" not in member else ""
            yield SchemaField(
                name=prefix + name, type=self.name_type(member), is_required=name in required, text=tidy(text)
            )
            if depth + 1 < MAX_DEPTH:
                is_list = "array" in as_types(full)
                inner = f"{prefix}{name}{'[]' if is_list else ''}."
                yield from self.list_fields(full, prefix=inner, depth=depth + 1)

    def name_type(self, schema: Schema) -> str:
        """A type in words: `text or null`, `list of ids`, `one of a, b`. Markdown."""
        schema = self.follow(schema)
        if choices := schema.get("enum"):
            shown = ", ".join(f"`{choice}`" for choice in choices if choice is not None)
            return f"one of {shown}" if len(choices) > 1 else shown
        if choices := schema.get("oneOf") or schema.get("anyOf"):
            names = dict.fromkeys(self.name_type(choice) for choice in choices)
            return " or ".join(names)
        return " or ".join(self._name_one(kind, schema) for kind in as_types(schema)) or "anything"

    def _name_one(self, kind: str, schema: Schema) -> str:
        if kind == "array":
            return f"list of {self.name_type(schema.get('items', {}))}"
        if kind == "string":
            return FORMATS.get(schema.get("format", ""), "text")
        return {"boolean": "true or false", "integer": "integer", "number": "number"}.get(kind, kind)


def as_types(schema: Schema) -> list[str]:
    kinds = schema.get("type", [])
    return [kinds] if isinstance(kinds, str) else list(kinds)


def tidy(text: str) -> str:
    return " ".join(text.split())
