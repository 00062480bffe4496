"""A call: a request before it is sent, and how to read its answer. It is the same for both clients."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar
from urllib.parse import quote
from uuid import UUID, uuid4

import httpx

T = TypeVar("T")
JSON = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[T]):
    """`path` begins behind `/api/v1`. The idempotency key is made once, so every attempt of the call has the same."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    idempotency_key: str | None = None
    read: Callable[[httpx.Response], T]

    @property
    def headers(self) -> dict[str, str]:
        found = {"Idempotency-Key": self.idempotency_key} if self.idempotency_key else {}
        return found if self.body is None else {**found, "Content-Type": JSON}

    @property
    def is_repeatable(self) -> bool:
        """Whether a second try is harmless if the first one was carried out and its answer is lost."""
        return self.method == "GET" or self.idempotency_key is not None


def get(path: str, **query: Any) -> Call[Any]:
    return Call(method="GET", path=path, query=write_query(query), read=read_json)


def download(path: str, **query: Any) -> Call[bytes]:
    return Call(method="GET", path=path, query=write_query(query), read=lambda response: response.content)


def post(path: str, body: Any = None, *, idempotency_key: str | None = None, **query: Any) -> Call[Any]:
    """A POST with an idempotency key: the given one, or a new one."""
    return Call(
        method="POST",
        path=path,
        query=write_query(query),
        body=None if body is None else encode(body),
        idempotency_key=idempotency_key or str(uuid4()),
        read=read_json,
    )


def patch(path: str, body: Any) -> Call[Any]:
    return Call(method="PATCH", path=path, body=encode(body), read=read_json)


def delete(path: str, **query: Any) -> Call[None]:
    return Call(method="DELETE", path=path, query=write_query(query), read=lambda _: None)


def build_call(method: str, path: str, body: Any, query: Mapping[str, Any]) -> Call[Any]:
    """A call that has no method of its own; a POST gets an idempotency key."""
    return Call(
        method=method.upper(),
        path=path,
        query=write_query(query),
        body=None if body is None else encode(body),
        idempotency_key=str(uuid4()) if method.upper() == "POST" else None,
        read=read_json,
    )


def path_of(*parts: str) -> str:
    """A path of parts, each of them escaped: an address or an alias may hold any character."""
    return "".join(f"/{quote(str(part), safe='')}" for part in parts)


def read_json(response: httpx.Response) -> Any:
    return response.json() if response.content else None


def encode(value: Any) -> bytes:
    """JSON; times and ids may be Python's. Bytes are JSON already."""
    if isinstance(value, bytes):
        return value
    return json.dumps(value, default=write_value, ensure_ascii=False, separators=(",", ":")).encode()


def write_value(value: Any) -> str:
    """Raises ValueError for a time without an offset, which the service would refuse."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"{value.isoformat()} has no offset from UTC")
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def write_query(given: Mapping[str, Any]) -> dict[str, str]:
    """The parameters that are given; a list is joined by commas."""
    return {name: write_parameter(value) for name, value in given.items() if value is not None}


def write_parameter(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str() | int() | float():
            return str(value)
        case list() | tuple():
            return ",".join(map(write_parameter, value))
        case _:
            return write_value(value)
