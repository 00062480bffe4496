"""Errors of the caller: one type for each, with its code, its status and its sentence.

Packages define their own subclasses beside their services. `common.problems` turns every one into an RFC 9457 answer.
"""

import inspect
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from http import HTTPStatus
from itertools import islice
from typing import ClassVar

# A body of 16 MiB can contain a million wrong fields with long names; a response lists this many, truncated so.
MAX_ERRORS = 1000
MAX_PATH = 200
MAX_MESSAGE = 500


@dataclass(frozen=True, slots=True)
class FieldError:
    """An error in one field: its path (`attachments[2].content_b64`, `""` for the whole), its code and message."""

    field: str
    code: str
    message: str


def join_path(path: str, key: str | int) -> str:
    """`join_path("a", "b")` → `a.b`, `join_path("a", 2)` → `a[2]`; truncated if it grows too long."""
    step = f"[{key}]" if isinstance(key, int) else f".{key[:MAX_PATH]}" if path else key[:MAX_PATH]
    return (path + step)[:MAX_PATH]


class ApiError(Exception):
    """The request could not be processed."""

    # The class docstring is `detail`, the sentence for the caller. `{name}` in it is filled from the keyword
    # arguments of the constructor.
    code: ClassVar[str] = "error"
    status: ClassVar[HTTPStatus] = HTTPStatus.BAD_REQUEST

    def __init__(
        self, *, errors: Iterable[FieldError] = (), headers: Mapping[str, str] | None = None, **values: object
    ) -> None:
        self.detail = " ".join(inspect.cleandoc(type(self).__doc__ or "").format(**values).split())
        self.errors = list(islice(errors, MAX_ERRORS))
        self.headers = dict(headers or {})
        super().__init__(self.detail)

    @property
    def public_code(self) -> str:
        """The `code` in the response."""
        return self.code


def as_problem(error: ApiError, request_id: str) -> dict[str, object]:
    """The seven members of the response (RFC 9457)."""
    code = error.public_code
    return {
        "type": f"urn:emailsvc:problem:{code}",
        "title": code.replace("_", " ").capitalize(),
        "status": int(error.status),
        "detail": error.detail,
        "code": code,
        "request_id": request_id,
        "errors": [asdict(item) for item in error.errors],
    }


class BadRequestError(ApiError):
    """The request is malformed."""

    code = "bad_request"


class PermissionDeniedError(ApiError):
    """This request is not allowed."""

    code = "permission_denied"
    status = HTTPStatus.FORBIDDEN


class NotFoundError(ApiError):
    """The object does not exist."""

    code = "not_found"
    status = HTTPStatus.NOT_FOUND


class MethodNotAllowedError(ApiError):
    """The method {method} is not allowed here."""

    code = "method_not_allowed"
    status = HTTPStatus.METHOD_NOT_ALLOWED


class ConflictError(ApiError):
    """The state of the object does not allow this."""

    code = "conflict"
    status = HTTPStatus.CONFLICT


class BodyTooLargeError(ApiError):
    """The body is larger than {limit} bytes."""

    code = "body_too_large"
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class UriTooLongError(ApiError):
    """The request's first line is longer than 4,094 bytes."""

    code = "uri_too_long"
    status = HTTPStatus.REQUEST_URI_TOO_LONG


class UnsupportedMediaTypeError(ApiError):
    """The Content-Type must be application/json in UTF-8, without Content-Encoding."""

    code = "unsupported_media_type"
    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class InvalidFieldsError(ApiError):
    """Some fields are wrong."""

    code = "invalid_fields"
    status = HTTPStatus.UNPROCESSABLE_ENTITY

    def __init__(self, errors: Iterable[FieldError], *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(errors=errors, headers=headers)
        match self.errors:
            case [FieldError(field=field, message=message)]:
                self.detail = f"{field}: {message}" if field else message
            case several:
                self.detail = f"{len(several)} fields are wrong; `errors` names each."

    @property
    def public_code(self) -> str:
        """The code that all errors share, or `invalid_fields` if they differ."""
        codes = {error.code for error in self.errors}
        return codes.pop() if len(codes) == 1 else self.code


class FieldErrors:
    """Collects errors of fields, so that a caller sees all of them at once."""

    def __init__(self, errors: Iterable[FieldError] = ()) -> None:
        self.errors = list(errors)

    @contextmanager
    def collect(self) -> Iterator[None]:
        """Ends a block at its first InvalidFieldsError, and collects its errors."""
        try:
            yield
        except InvalidFieldsError as error:
            self.errors += error.errors

    def add(self, field: str, code: str, message: str) -> None:
        self.errors.append(FieldError(field, code, message))

    def raise_all(self) -> None:
        """Raises InvalidFieldsError if any errors were collected."""
        if self.errors:
            raise InvalidFieldsError(self.errors)


class TooManyRequestsError(ApiError):
    """Too many requests; try again later."""

    code = "too_many_requests"
    status = HTTPStatus.TOO_MANY_REQUESTS


class InternalError(ApiError):
    """An internal error occurred. Look up the request id in the log."""

    code = "internal_error"
    status = HTTPStatus.INTERNAL_SERVER_ERROR


class DatabaseAwayError(ApiError):
    """The database is unavailable and nothing was stored. Try again."""

    code = "database_away"
    status = HTTPStatus.SERVICE_UNAVAILABLE

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "5"})
