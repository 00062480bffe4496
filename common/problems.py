"""Errors as RFC 9457 `application/problem+json`, for views, for DRF and for errors outside of views.

A problem has exactly the members `type`, `title`, `status`, `detail`, `code`, `request_id` and `errors` (a list, empty
if no field is invalid). `type` is `urn:emailsvc:problem:<code>`: stable, one for each code, not a URL to fetch.
Clients branch on `code`. If several fields are invalid for different reasons, `code` is `invalid_fields`.
"""

import traceback
from collections.abc import Callable, Iterator

import structlog
from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import Error as DatabaseError
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.views import defaults
from rest_framework import exceptions as drf
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import set_rollback

from common.client_ip import request_meta
from common.errors import (
    ApiError,
    BadRequestError,
    BodyTooLargeError,
    DatabaseAwayError,
    InternalError,
    InvalidFieldsError,
    MethodNotAllowedError,
    NotFoundError,
    PermissionDeniedError,
    TooManyRequestsError,
    UnsupportedMediaTypeError,
    as_problem,
)
from common.validation import list_field_errors

CONTENT_TYPE = "application/problem+json"
# Only API clients get problems; people below /admin get pages.
PREFIXES = ("/api/", "/compat/", "/feedback/")
REQUEST_ID = "emailsvc.request_id"
# The code of the problem that the request was answered with, in whatever form its API gives errors.
PROBLEM_CODE = "emailsvc.problem_code"

log = structlog.get_logger(__name__)


def build_problem(error: ApiError, request: HttpRequest | Request) -> dict[str, object]:
    """The seven members of the response."""
    return as_problem(error, request.META.get(REQUEST_ID, ""))


def problem_response(error: ApiError, request: HttpRequest) -> JsonResponse:
    """The problem as a plain Django response."""
    return JsonResponse(
        build_problem(error, request), status=error.status, headers=error.headers, content_type=CONTENT_TYPE
    )


def handle_exception(exception: Exception, context: dict[str, object]) -> Response:
    """DRF's exception handler: a response for every error, 500 for unexpected ones."""
    error = to_api_error(exception)
    request = context["request"]
    assert isinstance(request, Request)
    set_rollback()
    return Response(
        build_problem(error, request), status=error.status, headers=error.headers, content_type=CONTENT_TYPE
    )


def throttled_response(exception: drf.Throttled) -> ApiError:
    return TooManyRequestsError(headers={"Retry-After": str(getattr(exception, "wait", None) or 1)})


def method_not_allowed_response(exception: drf.MethodNotAllowed) -> ApiError:
    return MethodNotAllowedError(method=exception.args[0] if exception.args else "used")


# The first match wins, so a subclass precedes its base.
TRANSLATIONS: tuple[tuple[type[Exception], Callable[..., ApiError]], ...] = (
    (ApiError, lambda exception: exception),
    (drf.ValidationError, lambda exception: InvalidFieldsError(list_field_errors(exception))),
    (drf.MethodNotAllowed, method_not_allowed_response),
    (drf.UnsupportedMediaType, lambda _: UnsupportedMediaTypeError()),
    (drf.ParseError, lambda _: BadRequestError()),
    (drf.Throttled, throttled_response),
    (drf.NotFound, lambda _: NotFoundError()),
    (drf.PermissionDenied, lambda _: PermissionDeniedError()),
    (Http404, lambda _: NotFoundError()),
    (PermissionDenied, lambda _: PermissionDeniedError()),
    (RequestDataTooBig, lambda _: BodyTooLargeError(limit=settings.DATA_UPLOAD_MAX_MEMORY_SIZE)),
    (SuspiciousOperation, lambda _: BadRequestError()),
    (OperationalError, lambda _: DatabaseAwayError()),
    (InterfaceError, lambda _: DatabaseAwayError()),
)


def to_api_error(exception: Exception) -> ApiError:
    """The error that the caller sees for `exception`. An internal fault is logged and becomes `InternalError`."""
    error = next((make(exception) for kind, make in TRANSLATIONS if isinstance(exception, kind)), None)
    if error is None:
        error = InternalError()
    if error.status >= 500:
        log_fault(exception)
    if (meta := request_meta.get()) is not None:
        meta[PROBLEM_CODE] = error.public_code
    return error


def log_fault(exception: Exception) -> None:
    """Log with the traceback, without a database error's message: it quotes the row, and so the content of mail."""
    fault = next((error for error in walk_chain(exception) if isinstance(error, DatabaseError)), None)
    if fault is None:
        log.error("request_failed", error=type(exception).__name__, exc_info=exception)
        return
    cause = fault.__cause__
    log.error(
        "request_failed",
        error=type(exception).__name__,
        database_error=type(fault).__name__,
        sqlstate=getattr(cause, "sqlstate", None),
        constraint=getattr(getattr(cause, "diag", None), "constraint_name", None),
        stack="".join(traceback.format_tb(exception.__traceback__)),
    )


def walk_chain(exception: BaseException | None) -> Iterator[BaseException]:
    """The exception and those that a traceback would show with it."""
    while exception is not None:
        yield exception
        exception = exception.__cause__ or exception.__context__


def wants_problems(request: HttpRequest) -> bool:
    """Whether errors on this path are problems instead of pages."""
    return f"{request.path_info}/".startswith(PREFIXES)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """`handler400` of the root urlconf."""
    if not wants_problems(request):
        return defaults.bad_request(request, exception)
    is_known = isinstance(exception, SuspiciousOperation)
    return problem_response(to_api_error(exception) if is_known else BadRequestError(), request)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """`handler403` of the root urlconf."""
    if wants_problems(request):
        return problem_response(PermissionDeniedError(), request)
    return defaults.permission_denied(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """`handler404` of the root urlconf."""
    if wants_problems(request):
        return problem_response(NotFoundError(), request)
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponseBase:
    """`handler500` of the root urlconf."""
    if wants_problems(request):
        return problem_response(InternalError(), request)
    return defaults.server_error(request)


# For responses that bypass the handlers above, such as Django's debug pages.
BY_STATUS: dict[int, Callable[[], ApiError]] = {
    400: BadRequestError,
    403: PermissionDeniedError,
    404: NotFoundError,
    500: InternalError,
}


def replace_page(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Turns an HTML error page below an API path into the matching problem; leaves other responses unchanged."""
    make = BY_STATUS.get(response.status_code)
    if make is None or not isinstance(response, HttpResponse) or not wants_problems(request):
        return response
    is_page = response.get("Content-Type", "").startswith("text/")
    return problem_response(make(), request) if is_page else response
