"""Reads a request's body: first checks size, type and encoding, then parses strict JSON."""

import os
import re
from collections.abc import Mapping
from http import HTTPStatus
from io import BufferedIOBase, FileIO
from typing import Any, cast

from django.utils.datastructures import MultiValueDict
from rest_framework.parsers import BaseParser
from rest_framework.request import Empty, Request

from common.errors import ApiError, BadRequestError, BodyTooLargeError, UnsupportedMediaTypeError
from common.large_json.cutting import parse_large
from common.listening import BODY_CALLER, BODY_LIMIT
from common.strict_json import MAX_VALUES, Json, parse_json

# Views with larger bodies say so: `max_body = MAX_BATCH_BODY`, or `@action(…, max_body=MAX_BATCH_BODY)`. Those that
# need none say `is_body_optional = True`, and then an empty one may have any type. Views whose callers write the bytes
# of files as numbers say `max_values`. Views with files in base64 name the list of files, and the field of their
# content: `file_field = ("attachments", "content_b64")`.
MAX_BODY = 16 * 1024 * 1024
MAX_BATCH_BODY = 32 * 1024 * 1024
CHUNK = 256 * 1024

# RFC 9110, 8.3.1. JSON has no charset parameter, but many clients send charset=utf-8.
JSON_TYPE = re.compile(r'application/json[ \t]*(;[ \t]*(charset[ \t]*=[ \t]*"?utf-?8"?)?[ \t]*)*\Z', re.IGNORECASE)


class IncompleteBodyError(BadRequestError):
    """The body ended before its announced end, or its chunks are malformed."""

    code = "incomplete_body"


class BodyRequiredError(BadRequestError):
    """A JSON body is required."""

    code = "body_required"


class WrongBodyTypeError(ApiError):
    """The body must be a JSON {expected}."""

    code = "wrong_body_type"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class StrictJSONParser(BaseParser):
    """DRF's parser for all our views."""

    media_type = "application/json"

    def parse(  # type: ignore[override]  # the stubs know forms only
        self,
        stream: Any,
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Json:
        context = parser_context or {}
        request, view = context["request"], context.get("view")
        meta = request.META
        is_optional = getattr(view, "is_body_optional", False)
        is_json = JSON_TYPE.match(media_type or "") and meta.get("HTTP_CONTENT_ENCODING", "identity") == "identity"
        if not is_json and not is_optional:
            raise UnsupportedMediaTypeError
        limit = getattr(view, "max_body", MAX_BODY)
        meta |= {BODY_LIMIT: limit, BODY_CALLER: str(getattr(request.auth, "project_id", ""))}
        if is_json and (value := read_large(meta, view, limit)) is not None:
            return value
        body = read_body(stream, read_length(meta), limit)
        if not body or body.isspace():
            if is_optional:
                return {}
            raise BodyRequiredError
        if not is_json:
            raise UnsupportedMediaTypeError
        return parse_json(body, max_values=getattr(view, "max_values", MAX_VALUES))


def read_large(meta: Mapping[str, Any], view: object, limit: int) -> Json:
    """The value of a large body that our web server has put into a file, for a view with files; None for any other."""
    file_field, source = getattr(view, "file_field", None), meta["wsgi.input"]
    if file_field is None or not isinstance(source, FileIO):
        return None
    size = os.fstat(source.fileno()).st_size
    if size > limit:
        raise BodyTooLargeError(limit=limit)
    max_values = getattr(view, "max_values", MAX_VALUES)
    return parse_large(source.fileno(), max_values=max_values, file_field=file_field)


def read_length(meta: Mapping[str, Any]) -> int:
    """Content-Length, or -1 if the length is unknown in advance."""
    try:
        return int(meta.get("CONTENT_LENGTH") or -1)
    except ValueError:
        raise BadRequestError from None


def read_body(stream: BufferedIOBase, length: int, limit: int) -> bytearray:
    """All of `stream`, whose announced length is `length` (-1: unknown). `BodyTooLargeError` above `limit` bytes."""
    if length > limit:
        raise BodyTooLargeError(limit=limit)
    body = bytearray()
    while chunk := read_chunk(stream):
        body += chunk
        if len(body) > limit:
            raise BodyTooLargeError(limit=limit)
    if len(body) < length:
        raise IncompleteBodyError
    return body


def read_chunk(stream: BufferedIOBase) -> bytes:
    try:
        return stream.read(CHUNK)
    except Exception as error:
        # Each WSGI server has its own exceptions for a client that disconnected or sent a malformed chunk.
        raise IncompleteBodyError from error


def read_object(request: Request) -> dict[str, Json]:
    """The body as a JSON object; 400 without a body, 422 for another kind of value."""
    return cast(dict[str, Json], read_kind(request, dict, "object"))


def read_array(request: Request) -> list[Json]:
    """The body as a JSON array; 400 without a body, 422 for another kind of value."""
    return cast(list[Json], read_kind(request, list, "array"))


def load_body(request: Any) -> Any:
    """`request.data`, which DRF also looks through for forms and files: our parser has neither."""
    parser = request.parsers[0]
    if request._full_data is not Empty or request.stream is None or not isinstance(parser, StrictJSONParser):
        return request.data
    try:
        value = parser.parse(request.stream, request.content_type, request.parser_context)
    except BaseException:
        # As DRF does: the stream is used up, and who asks again has no other error.
        request._full_data = request._data = {}
        raise
    request._full_data = request._data = value
    request._files = MultiValueDict()
    return value


def read_payload(request: Request) -> Json:
    """The body as any kind of JSON value; None without a body."""
    return cast(Json, load_body(request)) if request.stream is not None else None


def read_optional_object(request: Request) -> dict[str, Json]:
    """Like `read_object`, but `{}` without a body, with any Content-Type."""
    return read_object(request) if request.stream is not None else {}


def read_kind(request: Request, kind: type, name: str) -> object:
    if request.stream is None:
        raise BodyRequiredError
    data = load_body(request)
    if not isinstance(data, kind):
        raise WrongBodyTypeError(expected=name)
    return data
