"""Answers of the web server itself, before or instead of the application's."""

import json
from http import HTTPStatus

from common.errors import ApiError, as_problem
from common.ids import new_id
from ledger.telemetry.families import LIMITS_HIT


class RequestTimeoutError(ApiError):
    """The request did not arrive in time: its head may take 10 s, its body 30 s and one second for each 64 KiB."""

    code = "request_timeout"
    status = HTTPStatus.REQUEST_TIMEOUT


class TooManyConnectionsError(ApiError):
    """This address has too many connections open. Use one connection for many requests."""

    code = "too_many_connections"
    status = HTTPStatus.TOO_MANY_REQUESTS

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "5"})


class TooManyBytesError(ApiError):
    """Too many large requests are arriving at the moment. Nothing was stored. Try again."""

    code = "too_many_bytes_in_flight"
    status = HTTPStatus.SERVICE_UNAVAILABLE

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "5"})


def build_answer(error: ApiError) -> bytes:
    """The error as a complete HTTP response, after which the connection is closed."""
    LIMITS_HIT.add(error.code)
    request_id = str(new_id())
    body = json.dumps(as_problem(error, request_id)).encode()
    fields = {
        "Connection": "close",
        "Content-Type": "application/problem+json",
        "Content-Length": str(len(body)),
        "X-Request-Id": request_id,
        **error.headers,
    }
    lines = "".join(f"{name}: {text}\r\n" for name, text in fields.items())
    return f"HTTP/1.1 {error.status.value} {error.status.phrase}\r\n{lines}\r\n".encode() + body
