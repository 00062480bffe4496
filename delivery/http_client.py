"""HTTP calls that cannot be taken back: one request, one answer, and it is always known whether any of it was written.

No redirect is followed, no proxy of the environment is used, nothing is tried twice. Connections are kept for a while.
"""

import ssl
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import httpcore

from delivery.ssrf import Guard, RefusedError
from delivery.tls import make_client_context

# Below what common servers keep: a connection that is being closed just now would leave a call uncertain.
KEEP_ALIVE_SECONDS = 4.0
MAX_CONNECTIONS = 100
MAX_RESULT_BYTES = 1024 * 1024
# httpcore's name for the moment when the connection stands and the first byte of the request is to be written.
_WRITING = "send_request_headers.started"


class UnreachableError(Exception):
    """Nothing of the request was written: no connection, no TLS, or the guard said no."""


class BrokenError(Exception):
    """The request was written, in part or whole, and there is no whole answer: nobody knows what became of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """What to call. `url` is absolute, http or https; `headers` hold no Host and no Content-Length."""

    method: str
    url: str
    headers: Sequence[tuple[str, str]] = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResult:
    """What was answered; names of headers in lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSeconds:
    """How long each part of a call may take; `answer` is from the last byte written to the last one read."""

    connect: float = 10.0
    write: float = 60.0
    answer: float = 60.0


class _Clock(threading.local):
    """When the call of this thread has to be over."""

    deadline = float("inf")

    def bound(self, timeout: float | None) -> float:
        left = self.deadline - monotonic()
        return max(0.001, left if timeout is None else min(timeout, left))


class HttpClient:
    """Calls one service, from many threads at once. With a `guard`, only to addresses that it admits."""

    def __init__(
        self, guard: Guard | None = None, *, seconds: HttpSeconds = HttpSeconds(), context: ssl.SSLContext | None = None
    ) -> None:
        self._seconds = seconds
        self._clock = _Clock()
        self._lock = threading.Lock()
        self._call_count = 0
        self._is_closed = False
        self._pool = httpcore.ConnectionPool(
            ssl_context=context or make_client_context(),
            max_connections=MAX_CONNECTIONS,
            max_keepalive_connections=MAX_CONNECTIONS,
            keepalive_expiry=KEEP_ALIVE_SECONDS,
            network_backend=_Network(guard, self._clock),
        )

    def call(self, request: HttpRequest, before_write: Callable[[], None] = lambda: None) -> HttpResult:
        """The answer, whatever it says. `before_write` is called once the connection stands; what it raises ends the
        call with nothing written. UnreachableError, BrokenError.
        """
        has_begun = False

        def trace(name: str, _info: Mapping[str, Any]) -> None:
            nonlocal has_begun
            if name.endswith(_WRITING):
                before_write()
                has_begun = True
                self._clock.deadline = monotonic() + self._seconds.write + self._seconds.answer

        with self._lock:
            self._call_count += 1
        try:
            return self._exchange(request, trace)
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, RefusedError) as error:
            raise (BrokenError if has_begun else UnreachableError)(describe_http_error(error)) from error
        except httpcore.UnsupportedProtocol as error:
            raise UnreachableError(describe_http_error(error)) from error
        finally:
            self._clock.deadline = float("inf")
            with self._lock:
                self._call_count -= 1
                is_last = self._is_closed and not self._call_count
            if is_last:
                self._pool.close()

    def _exchange(self, request: HttpRequest, trace: Callable[[str, Mapping[str, Any]], None]) -> HttpResult:
        seconds = self._seconds
        timeouts = {
            "connect": seconds.connect,
            "pool": seconds.connect,
            "write": seconds.write,
            "read": seconds.answer,
        }
        with self._pool.stream(
            request.method,
            request.url,
            headers=[*request.headers],
            content=request.body,
            extensions={"timeout": timeouts, "trace": trace},
        ) as response:
            body = b""
            for chunk in response.iter_stream():
                body += chunk
                if len(body) > MAX_RESULT_BYTES:
                    raise httpcore.RemoteProtocolError("an answer without end")
            headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
            return HttpResult(status=response.status, headers=headers, body=body)

    def close(self) -> None:
        """Close kept connections; those of calls that are under way when these have ended."""
        with self._lock:
            self._is_closed = True
            is_idle = not self._call_count
        if is_idle:
            self._pool.close()


def describe_http_error(error: Exception) -> str:
    """An error in words; never with anything of the request."""
    kind = type(error).__name__
    told = str(error)
    return f"{kind}: {told}"[:300] if told else kind


class _Network(httpcore.NetworkBackend):
    """Resolves a host once, has its addresses checked, connects to one of just these, and keeps the call's deadline."""

    def __init__(self, guard: Guard | None, clock: _Clock) -> None:
        self._guard = guard
        self._clock = clock
        self._sync = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        try:
            hosts = [str(address) for address in self._guard.find_addresses(host, port)] if self._guard else [host]
        except OSError as error:
            raise httpcore.ConnectError(f"the name cannot be resolved: {error.strerror or error}") from error
        failure: Exception = httpcore.ConnectError("there is no address")
        for each in hosts:
            try:
                stream = self._sync.connect_tcp(each, port, timeout, local_address, socket_options)
                return _Stream(stream, self._clock)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    def connect_unix_socket(self, *_: object, **__: object) -> httpcore.NetworkStream:
        raise httpcore.ConnectError("no URL leads to a socket of this machine")


class _Stream(httpcore.NetworkStream):
    """A connection none of whose reads goes beyond the call's deadline: a drip of bytes is no answer."""

    def __init__(self, stream: httpcore.NetworkStream, clock: _Clock) -> None:
        self._stream = stream
        self._clock = clock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._clock.bound(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._clock.bound(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, timeout), self._clock)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
