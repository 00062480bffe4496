"""Django's WSGI handler, without what it looks up anew for each request and decides nothing here."""

from typing import Any

from django.core.handlers.base import reset_urlconf
from django.core.handlers.wsgi import LimitedStream, WSGIHandler, WSGIRequest, get_path_info
from django.core.signals import request_finished, request_started
from django.db import DEFAULT_DB_ALIAS, close_old_connections, connections
from django.http import HttpRequest, HttpResponseBase
from django.urls import ResolverMatch, set_script_prefix
from django.utils.log import log_response

# Paths without parameters: as many as there are routes.
MOST_PATHS = 1_000


class Request(WSGIRequest):
    """A request by the paths that the server gives; Django asks for the names that Apache gives them, too."""

    def __init__(self, environ: dict[str, Any]) -> None:
        self.environ = self.META = environ
        path = environ.get("PATH_INFO", "")
        # Others are texts of UTF-8's bytes.
        self.path_info = (path if path.isascii() else get_path_info(environ)) or "/"
        prefix = environ.setdefault("SCRIPT_NAME", "")
        self.path = f"{prefix.rstrip('/')}/{self.path_info.replace('/', '', 1)}"
        environ["PATH_INFO"] = self.path_info
        self.method = environ["REQUEST_METHOD"].upper()
        self._set_content_type_params(environ)  # type: ignore[attr-defined]
        self._stream = LimitedStream(environ["wsgi.input"], read_length(environ))  # type: ignore[assignment]
        self._read_started = False
        self.resolver_match = None


def read_length(environ: dict[str, Any]) -> int:
    try:
        return int(environ.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0


class Handler(WSGIHandler):
    """The application. Nobody sets `request.urlconf`, so that a thread has none to set and to reset.

    Connections of the database that are of no more use are closed before and after each request, as by Django's own
    receivers of its signals, which are left out where `use_own_receivers` was called.
    """

    request_class = Request
    _has_prefix = False

    def __init__(self) -> None:
        super().__init__()
        self._matches: dict[str, ResolverMatch] = {}

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        prefix = environ.get("SCRIPT_NAME", "")
        if prefix or self._has_prefix:
            self._has_prefix = True
            set_script_prefix(prefix)
        close_old()
        request_started.send(sender=type(self), environ=environ)
        response = self.get_response(self.request_class(environ))
        response._handler_class = type(self)  # type: ignore[attr-defined]  # the sender of the signal of its end
        cookies = [("Set-Cookie", each.output(header="")) for each in response.cookies.values()]
        start_response(f"{response.status_code} {response.reason_phrase}", [*response.items(), *cookies])
        return response

    def get_response(self, request: HttpRequest) -> HttpResponseBase:
        response: Any = self._middleware_chain(request)  # type: ignore[attr-defined]
        response._resource_closers += (request.close, close_old)
        if response.status_code >= 400:
            reason = response.reason_phrase
            log_response("%s: %s", reason, request.path, response=response, request=request)
        return response  # type: ignore[no-any-return]

    def resolve_request(self, request: HttpRequest) -> ResolverMatch:
        """The view of a path; that of a path without parameters is kept."""
        match = self._matches.get(request.path_info)
        if match is None:
            match = super().resolve_request(request)
            if not (match.args or match.kwargs) and len(self._matches) < MOST_PATHS:
                self._matches[request.path_info] = match
        request.resolver_match = match
        return match


def use_own_receivers() -> None:
    """Leave what Django's receivers do to the handler: the signals of requests find them one by one."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    request_finished.disconnect(reset_urlconf)


def close_old() -> None:
    """Close the thread's connection if it is broken or has lived long enough. A test's transaction stays."""
    line = connections[DEFAULT_DB_ALIAS]
    if not line.in_atomic_block:
        line.close_if_unusable_or_obsolete()
