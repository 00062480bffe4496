"""The API's reference, made from the OpenAPI document: a page for each of its tags."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache, partial
from typing import Any, TypeAlias

from django.utils.html import escape
from django.utils.safestring import mark_safe
from markdown_it import MarkdownIt

from emailsvc.documentation.calls import EXAMPLES, Example, build_call
from emailsvc.documentation.markdown import SAMPLES, CodeBlock, Heading, render_samples
from emailsvc.documentation.pages import fill_in
from emailsvc.documentation.samples import SampleCall, build_samples
from emailsvc.documentation.schemas import Schema, SchemaField, Schemas
from emailsvc.openapi.schema import build_document

Sampling: TypeAlias = Callable[[SampleCall], dict[str, str]]
METHODS = ("post", "get", "put", "patch", "delete")
_SCOPE = re.compile(r"Needs the scope `(?P<scope>[a-z:]+)`\.|Needs no scope\.")
_PROBLEM = re.compile(r"^- `(?P<code>\w+)`: (?P<text>.*)$", re.MULTILINE)
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_MARKDOWN = MarkdownIt("commonmark", {"html": False})


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationProblem:
    """An error that an operation may answer with."""

    status: str
    code: str
    html: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationResponse:
    """A success."""

    status: str
    html: str
    fields: Sequence[SchemaField]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation as its section of a page shows it."""

    id: str
    method: str
    path: str
    path_html: str
    title: str
    summary: str
    html: str
    scope: str
    parameters: Sequence[SchemaField]
    body_fields: Sequence[SchemaField]
    body_html: str
    answers: Sequence[OperationResponse]
    problems: Sequence[OperationProblem]
    samples: Mapping[str, str]
    samples_html: str

    @property
    def words(self) -> str:
        """What a search looks at."""
        names = [field.name for field in (*self.parameters, *self.body_fields)]
        return " ".join([self.method, self.path, self.summary, self.id, *names])


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationGroup:
    """The operations of one tag."""

    tag: str
    text: str
    operations: Sequence[Operation]

    @property
    def title(self) -> str:
        return title_of(self.tag)

    @property
    def headings(self) -> list[Heading]:
        return [
            Heading(
                level=2, anchor=each.id, text=each.title, body=f"{each.method} {each.path} {each.id} {each.summary}"
            )
            for each in self.operations
        ]


def title_of(tag: str) -> str:
    """The title of a tag's group."""
    return tag.capitalize()


@lru_cache(maxsize=2)
def list_groups(base: str, today: date) -> dict[str, OperationGroup]:
    """The groups by their tags, in the document's order, with examples for the service at `base`."""
    document: dict[str, Any] = json.loads(build_document())
    schemas = Schemas(document["components"]["schemas"])
    found: dict[str, list[Operation]] = {}
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                operation = read_operation(method, path, item[method], schemas, partial(build, base, today))
                found.setdefault(item[method]["tags"][0], []).append(operation)
    return {
        tag["name"]: OperationGroup(
            tag=tag["name"], text=tag["description"], operations=sorted(found[tag["name"]], key=find_rank)
        )
        for tag in document["tags"]
        if tag["name"] in found
    }


def find_rank(operation: Operation) -> tuple[int, str, int]:
    """What concerns all of a kind comes before what concerns one, and making before reading."""
    return operation.path.count("{"), operation.path, METHODS.index(operation.method.lower())


def build(base: str, today: date, call: SampleCall) -> dict[str, str]:
    return {language: fill_in(code, base, today) for language, code in build_samples(call, base).items()}


def read_operation(method: str, path: str, spec: Mapping[str, Any], schemas: Schemas, sample: Sampling) -> Operation:
    example = EXAMPLES.get(spec["operationId"], Example())
    samples = sample(build_call(method, path, spec["tags"][0], example))
    description, scope = split_scope(spec["description"])
    body = find_schema(spec.get("requestBody", {}))
    return Operation(
        id=spec["operationId"],
        method=method.upper(),
        path=path,
        path_html=show_path(path),
        title=spec["operationId"].replace("_", " ").capitalize(),
        summary=spec["summary"],
        html=show_markdown(description),
        scope=scope,
        parameters=[read_parameter(each, schemas) for each in spec.get("parameters", ())],
        body_fields=[show_field(each) for each in schemas.list_fields(body)] if body else [],
        body_html=show_markdown(str(schemas.follow(body).get("description", ""))),
        answers=list(read_responses(spec["responses"], schemas)),
        problems=list(read_problems(spec["responses"])),
        samples=samples,
        samples_html=render_samples(
            [CodeBlock(language=name, needs={}, code=samples[name]) for name in SAMPLES],
            f"sample-{spec['operationId']}",
        ),
    )


def find_schema(content: Mapping[str, Any]) -> Schema:
    """The schema of a body or an answer, empty where it has none."""
    for media in content.get("content", {}).values():
        schema: Schema = media.get("schema", {})
        return schema
    return {}


def split_scope(description: str) -> tuple[str, str]:
    """What the view says, and the scope that it needs, if any."""
    match = _SCOPE.search(description)
    return _SCOPE.sub("", description).strip(), (match["scope"] or "") if match else ""


def show_path(path: str) -> str:
    """The path with its parameters marked."""
    return mark_safe(_PLACEHOLDER.sub(r"<var>{\1}</var>", escape(path)))  # noqa: S308 - escaped just before


def show_markdown(text: str) -> str:
    return mark_safe(str(_MARKDOWN.render(text)))  # noqa: S308 - HTML is switched off


def show_inline(text: str) -> str:
    return mark_safe(str(_MARKDOWN.renderInline(text)))  # noqa: S308 - HTML is switched off


def show_field(field: SchemaField) -> SchemaField:
    return SchemaField(
        name=field.name, type=show_inline(field.type), is_required=field.is_required, text=show_inline(field.text)
    )


def read_parameter(spec: Mapping[str, Any], schemas: Schemas) -> SchemaField:
    where = {"query": "query", "header": "header", "path": "path"}[spec["in"]]
    return SchemaField(
        name=spec["name"],
        type=show_inline(f"{where}, {schemas.name_type(spec['schema'])}"),
        is_required=bool(spec.get("required")),
        text=show_inline(str(spec.get("description", ""))),
    )


def read_responses(responses: Mapping[str, Any], schemas: Schemas) -> Iterator[OperationResponse]:
    for status, response in responses.items():
        if status.startswith("2"):
            schema = find_schema(response)
            text = str(schemas.follow(schema).get("description", "")) or response["description"]
            fields = [show_field(each) for each in schemas.list_fields(schema)] if schema else []
            yield OperationResponse(status=status, html=show_inline(text), fields=fields)


def read_problems(responses: Mapping[str, Any]) -> Iterator[OperationProblem]:
    for status, response in responses.items():
        for match in _PROBLEM.finditer(response["description"]):
            yield OperationProblem(status=status, code=match["code"], html=show_inline(match["text"]))
