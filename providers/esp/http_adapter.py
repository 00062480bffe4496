"""Our own HTTP under the libraries that speak to ESPs: what is written when, and to whom, is known here alone."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from delivery.http_client import HttpClient, HttpRequest, HttpResult

# Written by the client below.
_OWN_HEADERS = frozenset({"host", "content-length", "connection", "transfer-encoding"})


@dataclass(slots=True)
class HttpCall:
    """One call of this thread. `answer` is what the ESP said, None as long as it has said nothing."""

    before_write: Callable[[], None]
    answer: HttpResult | None = None


class HttpAdapter:
    """Carries the requests of `requests` and botocore. Safe for threads: each has its own call under way."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client
        self._own = threading.local()

    @contextmanager
    def calling(self, before_write: Callable[[], None] = lambda: None) -> Iterator[HttpCall]:
        """What this thread sends meanwhile is this call's, and comes after `before_write`."""
        call = self._own.call = HttpCall(before_write)
        try:
            yield call
        finally:
            self._own.call = None

    def carry(self, request: HttpRequest) -> HttpResult:
        """Send, and remember the answer. What http_calls raises."""
        call: HttpCall = self._own.call
        call.answer = self._client.call(request, call.before_write)
        return call.answer

    def close(self) -> None:
        self._client.close()


class RequestsAdapter(BaseAdapter):
    """`requests` over a wire."""

    def __init__(self, adapter: HttpAdapter) -> None:
        super().__init__()
        self._adapter = adapter

    def send(self, request: Any, **_: object) -> Any:  # type: ignore[override]  # its own limits are not used
        answer = self._adapter.carry(build_request(request))
        response = requests.Response()
        response.status_code = answer.status
        # A redirect would take the credentials elsewhere.
        response.headers = CaseInsensitiveDict({k: v for k, v in answer.headers.items() if k != "location"})
        response._content = answer.body
        response.encoding = "utf-8"
        response.url = request.url
        response.request = request
        return response

    def close(self) -> None:
        """The wire is closed by its owner."""


def open_session(adapter: HttpAdapter) -> requests.Session:
    """A session that knows no proxy, no .netrc and no other way than the wire."""
    session = requests.Session()
    session.trust_env = False
    session.headers["User-Agent"] = "emailsvc"
    session.headers["Accept-Encoding"] = "identity"
    for scheme in ("http://", "https://"):
        session.mount(scheme, RequestsAdapter(adapter))
    return session


def build_request(prepared: Any) -> HttpRequest:
    """The request that `requests` or botocore has prepared."""
    body = prepared.body or b""
    if not isinstance(body, bytes | str):
        body = body.read()
    headers = [(read_name(name), read_name(value)) for name, value in prepared.headers.items()]
    return HttpRequest(
        method=prepared.method,
        url=prepared.url,
        headers=[(name, value) for name, value in headers if name.lower() not in _OWN_HEADERS],
        body=body.encode() if isinstance(body, str) else body,
    )


def read_name(text: str | bytes) -> str:
    return text.decode("latin-1") if isinstance(text, bytes) else text


class RawBody(BytesIO):
    """An answer's body as botocore reads it."""

    def stream(self, **_: object) -> Iterator[bytes]:
        while chunk := self.read(65536):
            yield chunk
