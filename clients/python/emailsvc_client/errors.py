"""What can go wrong with a call: one class for each kind of answer, all of them `EmailsvcError`."""

from typing import Any, TypedDict, cast

import httpx


class FieldProblem(TypedDict):
    """An invalid field: `field` is its path, such as `to[0]`."""

    field: str
    code: str
    message: str


class Problem(TypedDict, total=False):
    """The body of a refusal, RFC 9457."""

    status: int
    code: str
    detail: str
    request_id: str
    errors: list[FieldProblem]


class EmailsvcError(Exception):
    """Any error of this package."""


class ConfigurationError(EmailsvcError):
    """The URL or the key of the service is missing or wrong."""


class UnreachableError(EmailsvcError):
    """No answer came, after all attempts. Whether the service took the request is unknown."""


class ApiError(EmailsvcError):
    """The service refused the call. `code` says why, `errors` names each invalid field."""

    def __init__(self, status: int, problem: Problem, retry_after: float | None = None) -> None:
        self.status = status
        self.code = str(problem.get("code", ""))
        self.detail = str(problem.get("detail", "")) or f"HTTP {status}"
        self.errors = list(problem.get("errors") or [])
        self.request_id = str(problem.get("request_id", ""))
        self.retry_after = retry_after
        super().__init__(self.describe())

    def describe(self) -> str:
        fields = "; ".join(f"{each['field']}: {each['message']}" for each in self.errors if each["field"])
        return f"{self.status} {self.code}: {fields or self.detail}".replace(" :", ":")


class AuthenticationError(ApiError):
    """401: the key is missing, wrong, revoked or expired."""


class ForbiddenError(ApiError):
    """403: the key lacks a scope, or the sender's domain is not verified."""


class NotFoundError(ApiError):
    """404: the project has no such object."""


class ConflictError(ApiError):
    """409: the object is in another state."""


class InvalidFieldsError(ApiError):
    """422: fields are invalid; see `errors`."""


class RateLimitedError(ApiError):
    """429: a limit is reached; `retry_after` is the wait in seconds."""


class ServerError(ApiError):
    """5xx: the service, or a proxy before it, failed."""


BY_STATUS: dict[int, type[ApiError]] = {
    401: AuthenticationError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    422: InvalidFieldsError,
    429: RateLimitedError,
}


def read_error(response: httpx.Response) -> ApiError:
    """The error that an answer with a status of 300 or more means."""
    status = response.status_code
    kind = BY_STATUS.get(status, ServerError if status >= 500 else ApiError)
    return kind(status, read_problem(response), read_retry_after(response))


def read_problem(response: httpx.Response) -> Problem:
    """The problem in the body. A proxy answers with a page of its own: then there is only the status."""
    try:
        body: Any = response.json()
    except ValueError:
        body = None
    return cast(Problem, body) if isinstance(body, dict) and "code" in body else Problem(detail=response.reason_phrase)


def read_retry_after(response: httpx.Response) -> float | None:
    """`Retry-After` in seconds; None without one, or if it is a date, which the service never sends."""
    try:
        return max(0.0, float(response.headers["Retry-After"]))
    except (KeyError, ValueError):
        return None
