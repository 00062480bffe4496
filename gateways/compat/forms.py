"""Forms as values that JSON could hold: `multipart/form-data` (RFC 7578) and `application/x-www-form-urlencoded`."""

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl

from django.utils.http import parse_header_parameters
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from common.errors import BadRequestError, UnsupportedMediaTypeError
from common.listening import BODY_CALLER, BODY_LIMIT
from common.parsers import MAX_BODY, BodyRequiredError, read_body, read_length

MULTIPART = "multipart/form-data"
URLENCODED = "application/x-www-form-urlencoded"
# A thousand recipients, each in a field of its own, and their other fields.
MAX_FIELDS = 5_000
MAX_HEAD = 16 * 1024
# RFC 2046, 5.1.1.
BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
# Some SDKs write lists so: `to[0]`, `to[1]`, or `to[]`.
INDEXED = re.compile(r"(?P<name>.+)\[[0-9]{0,5}\]", re.DOTALL)
# What browsers write for a quotation mark within a name (HTML, "multipart form data").
QUOTE = "%22"
PLAIN_ENCODINGS = frozenset({"", "7bit", "8bit", "binary"})

# The values of each field in the order of the form: texts, and files as objects with `filename`, `content_type`
# and `content_b64`.
Form = Mapping[str, list[Any]]


class FormRequiredError(BodyRequiredError):
    """A form is required: multipart/form-data or application/x-www-form-urlencoded."""


class MalformedFormError(BadRequestError):
    """The form cannot be read: {cause}."""

    code = "malformed_form"


class WrongFormTypeError(UnsupportedMediaTypeError):
    """The Content-Type must be multipart/form-data or application/x-www-form-urlencoded, without Content-Encoding."""


class FormParser(BaseParser):
    """DRF's parser for views with forms, in place of Django's, which replaces bytes that are no UTF-8.

    The size is checked before anything is parsed: the view's `max_body`.
    """

    media_type = MULTIPART

    def parse(
        self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Form:
        context = parser_context or {}
        request, view = context["request"], context.get("view")
        kind, parameters = parse_header_parameters(media_type or "")
        is_plain = request.META.get("HTTP_CONTENT_ENCODING", "identity") == "identity"
        if kind not in (MULTIPART, URLENCODED) or not is_plain:
            raise WrongFormTypeError
        limit = getattr(view, "max_body", MAX_BODY)
        request.META.update({BODY_LIMIT: limit, BODY_CALLER: str(getattr(request.auth, "project_id", ""))})
        body = bytes(read_body(stream, read_length(request.META), limit))
        if not body:
            raise FormRequiredError
        pairs = read_urlencoded(body) if kind == URLENCODED else read_multipart(body, parameters.get("boundary", ""))
        return group(pairs)


def read_form(request: Request) -> Form:
    """The body; 400 without one."""
    if request.stream is None:
        raise FormRequiredError
    form: Form = request.data  # type: ignore[assignment]  # the stubs know a QueryDict only
    return form


def group(pairs: Iterator[tuple[str, Any]]) -> Form:
    form: dict[str, list[Any]] = {}
    for count, (name, value) in enumerate(pairs, start=1):
        if count > MAX_FIELDS:
            raise MalformedFormError(cause=f"it has more than {MAX_FIELDS} fields")
        found = INDEXED.fullmatch(name)
        form.setdefault(found["name"] if found else name, []).append(value)
    return form


def read_urlencoded(body: bytes) -> Iterator[tuple[str, str]]:
    try:
        yield from parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS, separator="&"
        )
    except UnicodeError:
        raise MalformedFormError(cause="it is not UTF-8, percent-encoded") from None
    except ValueError:
        raise MalformedFormError(cause=f"it has more than {MAX_FIELDS} fields") from None


def read_multipart(body: bytes, boundary: str) -> Iterator[tuple[str, Any]]:
    """The parts; what stands before the first and after the last delimiter is passed over."""
    if not BOUNDARY.fullmatch(boundary):
        raise MalformedFormError(cause="its Content-Type has no valid boundary")
    mark = re.compile(rb"(?:\A|\r\n)--" + re.escape(boundary.encode()) + rb"(?:(?P<end>--)|[ \t]*\r\n)")
    start = None
    for found in mark.finditer(body):
        if start is not None:
            part = read_part(body, start, found.start())
            if part:
                yield part
        if found["end"]:
            return
        # The empty line after a head without fields needs the line end in front of it.
        start = found.end() - 2
    raise MalformedFormError(cause="its last delimiter is missing")


def read_part(body: bytes, start: int, end: int) -> tuple[str, Any] | None:
    """One field with its name. None for a field for files in which no file was chosen."""
    stop = body.find(b"\r\n\r\n", start, min(end, start + MAX_HEAD))
    if stop < 0:
        raise MalformedFormError(cause="a part's head has no end, or more than 16 KiB")
    head = read_head(body[start:stop])
    disposition, parameters = parse_header_parameters(head.get("content-disposition", ""))
    name = parameters.get("name", "").replace(QUOTE, '"')
    if disposition != "form-data" or not name:
        raise MalformedFormError(cause="a part has no name")
    if head.get("content-transfer-encoding", "").lower() not in PLAIN_ENCODINGS:
        raise MalformedFormError(cause=f"the part {name[:100]} has a Content-Transfer-Encoding (RFC 7578, 4.7)")
    content = body[stop + 4 : end]
    if "filename" not in parameters:
        return name, decode(content, head.get("content-type", ""), name)
    filename = parameters["filename"].replace(QUOTE, '"')
    if not filename and not content:
        return None
    encoded = b64encode(content).decode()
    return name, {"filename": filename, "content_type": head.get("content-type", ""), "content_b64": encoded}


def read_head(text: bytes) -> dict[str, str]:
    try:
        lines = text.decode().split("\r\n")
    except UnicodeDecodeError:
        raise MalformedFormError(cause="a part's head is not UTF-8") from None
    return {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def decode(content: bytes, content_type: str, name: str) -> str:
    charset = parse_header_parameters(content_type)[1].get("charset", "utf-8")
    try:
        return content.decode(charset)
    except (LookupError, UnicodeError):
        raise MalformedFormError(cause=f"the field {name[:100]} is not text in {charset[:40]}") from None
