"""The OpenAPI document: the parts common to every operation of every package."""

import inspect
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from http import HTTPStatus
from threading import Lock
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse

from accounts.idempotency import IdempotencyInFlightError, IdempotencyKeyInvalidError, IdempotencyKeyReusedError
from accounts.permissions import MissingScopeError, declared_scopes
from accounts.services import ExpiredKeyError, InvalidKeyError, IpNotAllowedError, RevokedKeyError, UnauthorizedError
from accounts.viewsets import WITH_BODY, ApiView
from common.errors import (
    ApiError,
    BadRequestError,
    BodyTooLargeError,
    DatabaseAwayError,
    InvalidFieldsError,
    NotFoundError,
    UnsupportedMediaTypeError,
    UriTooLongError,
)
from common.openapi import list_problems
from common.parsers import BodyRequiredError, IncompleteBodyError, WrongBodyTypeError
from common.serializers import NoQuery, PageQuery
from common.strict_json import (
    DuplicateKeyError,
    InvalidUtf8Error,
    JsonTooDeepError,
    JsonTooLargeError,
    MalformedJsonError,
    NumberOutOfRangeError,
)
from common.validation import needs_a_field

PREFIX = "/api/v1/"
METHODS_WITH_BODY = {"POST", "PUT", "PATCH"}

ALWAYS: tuple[type[ApiError], ...] = (BadRequestError, UriTooLongError, InvalidFieldsError, DatabaseAwayError)
AUTHENTICATED = (
    *(UnauthorizedError, InvalidKeyError, RevokedKeyError, ExpiredKeyError),
    *(MissingScopeError, IpNotAllowedError),
)
OF_BODIES = (
    *(MalformedJsonError, InvalidUtf8Error, DuplicateKeyError, JsonTooDeepError, JsonTooLargeError),
    *(NumberOutOfRangeError, IncompleteBodyError, BodyRequiredError),
    *(BodyTooLargeError, UnsupportedMediaTypeError, WrongBodyTypeError),
)

ONCE = (IdempotencyKeyInvalidError, IdempotencyKeyReusedError, IdempotencyInFlightError)

# Response headers by status; "" means every status.
HEADERS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "": (("X-Request-Id", "The request's own id if it has 1 to 128 safe characters, otherwise a new one."),),
    "401": (("WWW-Authenticate", "`Bearer`."),),
    "503": (("Retry-After", "Seconds to wait before a retry."),),
}

LOCATION = {
    "schema": {"type": "string", "format": "uri"},
    "description": "The absolute URL of the new object.",
    "required": True,
}
IDEMPOTENCY = (
    OpenApiParameter(
        "Idempotency-Key",
        {"type": "string", "minLength": 1, "maxLength": 258},
        OpenApiParameter.HEADER,
        description="1 to 256 printable ASCII characters, quoted or not. For 24 hours, a repeated request with the "
        "same key gets the same response. A rejected request does not use up the key.",
    ),
    OpenApiParameter(
        "Idempotency-Replayed",
        {"type": "string", "enum": ["true"]},
        OpenApiParameter.HEADER,
        response=[200, 201, 202],
        description="The response repeats that of an earlier request with the same key.",
    ),
)

# The verb of an operation's name, by action.
VERBS = {
    "list": "list",
    "create": "create",
    "retrieve": "get",
    "update": "put",
    "partial_update": "update",
    "destroy": "delete",
}


class ApiSchema(AutoSchema):
    """Adds to each operation its view's query, body and scope, its problems, and the headers of every response."""

    view: ApiView  # type: ignore[override]  # the only views that the document has

    def get_summary(self) -> str | None:
        """The first sentence of the view's docstring."""
        text, _, _ = self._find_doc().partition("\n\n")
        return " ".join(text.split()).partition(". ")[0].rstrip(".") or None

    def get_description(self) -> str:  # type: ignore[override]  # drf-spectacular's has no arguments
        scope = declared_scopes(self.view).get(self.action)
        needed = f"Needs the scope `{scope}`." if scope else "Needs no scope."
        return f"{self._find_doc()}\n\n{needed}"

    def get_operation_id(self) -> str:
        """`list_emails`, `get_email`, `cancel_email`; a view names its operation itself if that is not good English."""
        noun, action = getattr(self.view, "basename", None), getattr(self.view, "action", None)
        if not noun or not action:
            return str(super().get_operation_id())
        return f"{VERBS.get(action, action)}_{noun}{'s' if action == 'list' else ''}"

    @property
    def action(self) -> str:
        """The action; for a plain view, the method in lower case."""
        return getattr(self.view, "action", None) or self.method.lower()

    def _is_list_view(self, _serializer: Any = None) -> bool:
        return issubclass(self.view.queries.get(self.action, NoQuery), PageQuery)

    def get_paginated_name(self, serializer_name: str) -> str:
        return f"{re.sub('(Output|Answer|Row)$', '', serializer_name)}Page"

    def get_request_serializer(self) -> Any:
        return self.view.bodies.get(self.action)

    def get_override_parameters(self) -> list[Any]:
        query = self.view.queries.get(self.action)
        return [*([query] if query else []), *(IDEMPOTENCY if self.is_idempotent else [])]

    @property
    def is_idempotent(self) -> bool:
        return getattr(getattr(self.view, self.action), "is_idempotent", False)

    def _find_doc(self) -> str:
        action = getattr(self.view, self.action, None)
        return inspect.getdoc(action) or inspect.getdoc(self.view) or ""

    def _get_request_for_media_type(self, serializer: Any, direction: Any = "request") -> Any:
        # The serializer declares required fields for PATCH, as for POST.
        method, self.method = self.method, "POST"
        try:
            schema, _ = super()._get_request_for_media_type(serializer, direction)  # type: ignore[no-untyped-call]
        finally:
            self.method = method
        body = self.view.bodies.get(self.action)
        return schema, body is not None and (self.action in WITH_BODY or needs_a_field(body))

    def _get_response_bodies(self, direction: Any = "response") -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        for code, body in bodies.items():
            # The standard requires a description.
            body["description"] = body["description"] or HTTPStatus(int(code)).phrase
        for (status, content_type), response in list_problems(*self._list_errors()).items():
            code = str(status)
            if code in bodies:
                bodies[code]["description"] += f"\n{response.description}"
            else:
                bodies[code] = self._build_problem(code, content_type, response)
        return dict(sorted(bodies.items()))

    def _build_problem(self, code: str, content_type: str, response: OpenApiResponse) -> Any:
        return self._get_response_for_code(response, code, [content_type])  # type: ignore[no-untyped-call]

    def _list_errors(self) -> Iterator[type[ApiError]]:
        yield from ALWAYS
        if self.view.get_authenticators():
            yield from AUTHENTICATED
        if "{" in self.path:
            yield NotFoundError
        if self.method in METHODS_WITH_BODY:
            yield from OF_BODIES
        if self.is_idempotent:
            yield from ONCE

    def _get_response_headers_for_code(self, status_code: str, direction: Any = "response") -> Any:
        headers = super()._get_response_headers_for_code(status_code, direction)
        for name, description in (*HEADERS[""], *HEADERS.get(status_code, ())):
            headers[name] = {"schema": {"type": "string"}, "description": description, "required": True}
        if status_code in {"201", "202"} and self.action in self.view.located:
            headers["Location"] = LOCATION
        return headers


def only_the_api(endpoints: list[tuple[str, str, str, Any]], **_: object) -> list[tuple[str, str, str, Any]]:
    """Routes that the document describes."""
    return [endpoint for endpoint in endpoints if endpoint[0].startswith(PREFIX)]


_building = Lock()


def read_document() -> bytes:
    """The document as JSON, built once under a lock: drf-spectacular may not be thread-safe."""
    with _building:
        return build_document()


@cache
def build_document() -> bytes:
    """The document as JSON. It does not change while the process runs."""
    schema = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return json.dumps(schema, ensure_ascii=False).encode()


@require_safe
@cache_control(public=True, max_age=300)
def show_document(_request: HttpRequest) -> HttpResponse:
    """`/api/schema`: for developers' tools, so it needs no key."""
    return HttpResponse(read_document(), content_type="application/json")
