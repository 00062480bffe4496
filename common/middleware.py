"""Middleware around every request: its id, its origin, and errors outside of views."""

import re
from collections.abc import Callable, Mapping
from hashlib import sha256

import structlog
from django.http import HttpRequest, HttpResponseBase

from common.client_ip import request_meta
from common.ids import new_id
from common.problems import REQUEST_ID, problem_response, replace_page, to_api_error, wants_problems

GetResponse = Callable[[HttpRequest], HttpResponseBase]
# DRF only checks whether the length is zero.
UNKNOWN_LENGTH = "-1"
SAFE_ID = re.compile(r"[A-Za-z0-9._:+=/@-]{1,128}\Z")


def hide_address(request_id: str) -> str:
    """A request's id as logs show it: callers may choose their ids, and one that may be an address is hashed."""
    return f"hashed-{sha256(request_id.encode()).hexdigest()[:32]}" if "@" in request_id else request_id


def list_stored(response: HttpResponseBase) -> dict[str, tuple[str, str]]:
    """The headers of a response as Django keeps them, by their names in lower case."""
    stored: dict[str, tuple[str, str]] = response.headers._store
    return stored


def set_plain(response: HttpResponseBase, headers: Mapping[str, str]) -> None:
    """Set headers whose values are plain text of ours: Django would look at their characters."""
    list_stored(response).update({name.lower(): (name, value) for name, value in headers.items()})


class RequestIdMiddleware:
    """Every response has `X-Request-Id`: the caller's own if it has 1 to 128 safe characters, otherwise a new one."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        given = request.META.get("HTTP_X_REQUEST_ID", "")
        request_id = given if SAFE_ID.match(given) else str(new_id())
        request.META[REQUEST_ID] = request_id
        # `bound_contextvars` would look through the variables of all libraries.
        bound = structlog.contextvars.bind_contextvars(request_id=hide_address(request_id))
        try:
            response = self.get_response(request)
        finally:
            structlog.contextvars.reset_contextvars(**bound)
        set_plain(response, {"X-Request-Id": request_id})
        return response


class OriginMiddleware:
    """Makes the request's origin known to the audit log."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        token = request_meta.set(request.META)
        try:
            return self.get_response(request)
        finally:
            request_meta.reset(token)


class ProblemMiddleware:
    """Below API paths, errors outside of DRF become problems too."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return replace_page(request, self.get_response(request))

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponseBase | None:
        return problem_response(to_api_error(exception), request) if wants_problems(request) else None


class ChunkedBodyMiddleware:
    """Makes a body with `Transfer-Encoding: chunked` readable by API views.

    Django takes the length only from Content-Length and reads a chunked body as empty, although the server ends the
    stream itself. Nothing is read here: the parser reads, and stops at the view's limit.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        is_chunked = "chunked" in request.META.get("HTTP_TRANSFER_ENCODING", "").lower()
        if is_chunked and request.META.get("wsgi.input_terminated") and wants_problems(request):
            request.META["CONTENT_LENGTH"] = UNKNOWN_LENGTH
            vars(request)["_stream"] = request.META["wsgi.input"]
        return self.get_response(request)
