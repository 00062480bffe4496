"""Parts of the OpenAPI document shared by all packages: problems, and objects without unknown members."""

import inspect
import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from drf_spectacular.extensions import OpenApiSerializerExtension
from drf_spectacular.utils import OpenApiExample, OpenApiResponse
from rest_framework import serializers

from common.errors import ApiError
from common.problems import CONTENT_TYPE

# Marks a schema whose optional members may be null, until `tidy_components` processes it.
TAKES_NULL = "x-takes-null"
PLACEHOLDER = re.compile(r"\{\w+\}")


class FieldProblem(serializers.Serializer[object]):
    """An error in one field."""

    field = serializers.CharField(help_text="The field's path, `attachments[2].content_b64`; empty for the whole body.")
    code = serializers.CharField(help_text="For programs; never changes.")
    message = serializers.CharField(help_text="For people.")


class Problem(serializers.Serializer[object]):
    """An error (RFC 9457). Branch on `code`."""

    type = serializers.CharField(help_text="`urn:emailsvc:problem:<code>`.")
    title = serializers.CharField(help_text="The code in words.")
    status = serializers.IntegerField(help_text="The HTTP status.")
    detail = serializers.CharField(help_text="A description of the error, for people.")
    code = serializers.CharField(
        help_text="The kind of error, for programs; `invalid_fields` if there are several kinds."
    )
    request_id = serializers.CharField(help_text="The request's id, as in the header `X-Request-Id`.")
    errors = FieldProblem(many=True, help_text="Each invalid field; empty if no field is invalid.")  # type: ignore[assignment]


def list_problems(*errors: type[ApiError]) -> dict[tuple[int, str], OpenApiResponse]:
    """Members of `extend_schema(responses=…)`: one per status, with every code and its sentence."""
    by_status: dict[int, list[type[ApiError]]] = defaultdict(list)
    for error in errors:
        by_status[int(error.status)].append(error)
    return {
        (status, CONTENT_TYPE): OpenApiResponse(Problem, describe_errors(kinds), [build_example(kinds[0])])
        for status, kinds in by_status.items()
    }


def describe_errors(errors: Iterable[type[ApiError]]) -> str:
    return "\n".join(f"- `{error.code}`: {sentence_of(error)}" for error in errors)


def build_example(error: type[ApiError]) -> OpenApiExample:
    value = {
        "type": f"urn:emailsvc:problem:{error.code}",
        "title": error.code.replace("_", " ").capitalize(),
        "status": int(error.status),
        "detail": sentence_of(error),
        "code": error.code,
        "request_id": "01a2041b-7a3c-7c52-8f0e-6c2f6a1d3b9e",
        "errors": [],
    }
    return OpenApiExample(error.code, value, response_only=True, media_type=CONTENT_TYPE)


def sentence_of(error: type[ApiError]) -> str:
    """The error's docstring in one line, with `…` for values filled in at run time."""
    return PLACEHOLDER.sub("…", " ".join(inspect.cleandoc(error.__doc__ or "").split()))


class StrictObjects(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """A `StrictSerializer` allows no other members.

    Aliases are accepted but not described: for a client generator `from` and `from_` would be two fields with one name.
    """

    target_class = "common.serializers.StrictSerializer"
    match_subclasses = True

    def map_serializer(self, auto_schema: Any, direction: str) -> dict[str, Any]:
        schema: dict[str, Any] = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)
        return {**schema, "additionalProperties": False, TAKES_NULL: self.target.takes_null}


def tidy_components(result: dict[str, Any], **_: object) -> dict[str, Any]:
    """drf-spectacular's last hook: changes that need the final names of vocabularies."""
    for component in result["components"]["schemas"].values():
        required = component.get("required", [])
        is_nullable = component.pop(TAKES_NULL, False)
        properties: dict[str, dict[str, Any]] = component.get("properties", {})
        for name, described in properties.items():
            # Labels only repeat names; requests and responses differ anyway.
            described.pop("title", None)
            described.pop("readOnly", None)
            if is_nullable and name not in required:
                properties[name] = admit_null(described)
    return result


def admit_null(described: dict[str, Any]) -> dict[str, Any]:
    """The schema, with null as another allowed value."""
    match described:
        case {"type": str(kind)}:
            return {**described, "type": [kind, "null"]}
        case {"oneOf": list(choices), **rest}:
            return {**rest, "oneOf": [*choices, {"type": "null"}]}
    return {"oneOf": [described, {"type": "null"}]}
