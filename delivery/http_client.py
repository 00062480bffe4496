"""The one adapter on httpcore: HTTP calls to addresses that a guard has checked, from threads or from asyncio.

No redirect is followed, no proxy of the environment is used, nothing is tried twice. Connections are kept for a while.
"""

import asyncio
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic
from types import TracebackType
from typing import Any

import httpcore

from delivery.ssrf import Guard, RefusedError, UrlTarget
from delivery.tls import make_client_context

# Below what common servers keep: a connection that is being closed just now would leave a call uncertain.
KEEP_ALIVE_SECONDS = 4.0
MAX_CONNECTIONS = 100
MAX_RESULT_BYTES = 1024 * 1024
# Looking a name up blocks a thread, for half a minute where its name servers are dead.
LOOK_UP_THREADS = 64
# httpcore's name for the moment when the connection stands and the first byte of the request is to be written.
_WRITING = "send_request_headers.started"

# What the network and the other side may do to a call, for callers that put it into words.
ConnectError = httpcore.ConnectError
ConnectTimeout = httpcore.ConnectTimeout
NetworkError = httpcore.NetworkError
ProtocolError = httpcore.ProtocolError
TimeoutException = httpcore.TimeoutException
HTTP_ERRORS = (NetworkError, ProtocolError, TimeoutException)


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
    """Makes calls that cannot be taken back: it is always known whether any of a request was written.

    Calls one service, from many threads at once. With a `guard`, only to addresses that it admits.
    """

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
        except (*HTTP_ERRORS, RefusedError) as error:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpStream:
    """An answer whose body is still to come. Names of headers as the server wrote them."""

    status: int
    headers: Sequence[tuple[bytes, bytes]]
    chunks: AsyncIterator[bytes]


class AsyncHttpClient:
    """Makes calls to many hosts at once in an event loop, only to addresses that `guard` admits.

    `connect_seconds` is for each address of a host; any other limit is the caller's. Made outside of the loop or in it.
    """

    def __init__(
        self,
        guard: Guard,
        *,
        connect_seconds: float,
        max_connections: int = MAX_CONNECTIONS,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._look_ups = ThreadPoolExecutor(LOOK_UP_THREADS, thread_name_prefix="http-dns")
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=context or make_client_context(),
            max_connections=max_connections,
            max_keepalive_connections=max_connections,
            keepalive_expiry=KEEP_ALIVE_SECONDS,
            network_backend=_AsyncNetwork(guard, connect_seconds, self._look_ups),
        )

    @asynccontextmanager
    async def call(
        self, method: str, target: UrlTarget, headers: Mapping[str, str], body: bytes = b""
    ) -> AsyncIterator[HttpStream]:
        """Send `body`; `headers` hold no Host and no Content-Length. A connection with more to read is closed.

        RefusedError, HTTP_ERRORS.
        """
        # Taken apart by our parser: no other one gets to read the URL in its own way.
        url = httpcore.URL(
            scheme=target.scheme.encode(), host=target.host.encode(), port=target.port, target=target.path.encode()
        )
        length = {"Content-Length": str(len(body))} if body else {}
        every = {"Host": target.authority, **length, **headers}
        async with self._pool.stream(method, url, headers=list(every.items()), content=body) as response:
            yield HttpStream(status=response.status, headers=response.headers, chunks=response.aiter_stream())

    async def close(self) -> None:
        """Close all connections; look-ups that have not begun are dropped."""
        await self._pool.aclose()
        self._look_ups.shutdown(wait=False, cancel_futures=True)


def describe_http_error(error: Exception) -> str:
    """An error in words; never with anything of the request."""
    kind = type(error).__name__
    told = str(error)
    return f"{kind}: {told}"[:300] if told else kind


def _find_hosts(guard: Guard | None, host: str, port: int) -> list[str]:
    """What to connect to for `host`: the addresses that the guard admits, looked up once. Blocks on the DNS."""
    try:
        return [str(address) for address in guard.find_addresses(host, port)] if guard else [host]
    except OSError as error:
        raise ConnectError(f"the name cannot be resolved: {error.strerror or error}") from error


class _Attempts:
    """Swallows the failure of one address, as `with`, so that the next is tried; the last one is the host's."""

    def __init__(self) -> None:
        self.failure: Exception = ConnectError("there is no address")

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: BaseException | None, _trace: TracebackType | None) -> bool:
        if not isinstance(error, ConnectError | ConnectTimeout):
            return False
        self.failure = error
        return True


def _refuse_socket() -> Exception:
    return ConnectError("no URL leads to a socket of this machine")


class _AsyncNetwork(httpcore.AsyncNetworkBackend):
    """Resolves a host once, has its addresses checked, and connects to one of just these.

    Raises the guard's RefusedError, and httpcore's errors for what the network does.
    """

    def __init__(self, guard: Guard, connect_seconds: float, look_ups: ThreadPoolExecutor) -> None:
        self._guard = guard
        self._connect_seconds = connect_seconds
        self._look_ups = look_ups
        self._anyio = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002  httpcore's names; ours is for each address
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        loop = asyncio.get_running_loop()
        hosts = await loop.run_in_executor(self._look_ups, _find_hosts, self._guard, host, port)
        attempts = _Attempts()
        for each in hosts:
            with attempts:
                return await self._anyio.connect_tcp(each, port, self._connect_seconds, local_address, socket_options)
        raise attempts.failure

    async def connect_unix_socket(self, *_: object, **__: object) -> httpcore.AsyncNetworkStream:
        raise _refuse_socket()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class _Network(httpcore.NetworkBackend):
    """As `_AsyncNetwork`, for threads; keeps the call's deadline."""

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
        attempts = _Attempts()
        for each in _find_hosts(self._guard, host, port):
            with attempts:
                stream = self._sync.connect_tcp(each, port, timeout, local_address, socket_options)
                return _Stream(stream, self._clock)
        raise attempts.failure

    def connect_unix_socket(self, *_: object, **__: object) -> httpcore.NetworkStream:
        raise _refuse_socket()


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
