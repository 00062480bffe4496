"""Security headers for the admin, and the scheme that a trusted proxy reports."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

from common.client_ip import UNIX_SOCKET_PEER, is_within, parse_ip

GetResponse = Callable[[HttpRequest], HttpResponseBase]

# unfold builds on Alpine, which evaluates expressions in attributes ('unsafe-eval'), and writes theme colours into the
# page ('unsafe-inline' for styles only). Inline scripts and other hosts are blocked; a message's body has a stricter
# policy of its own.
ADMIN_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
ADMIN_PREFIX = "/admin"
LOGOUT = f"{ADMIN_PREFIX}/logout/"


class AdminPolicyMiddleware:
    """Gives every page of the admin its Content-Security-Policy, unless its view has set one, and forbids caching.

    At the end of a session the browser forgets what it has stored of this service.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if f"{request.path_info}/".startswith(f"{ADMIN_PREFIX}/"):
            response.headers.setdefault("Content-Security-Policy", ADMIN_POLICY)
            # Mail and keys must not stay in the cache of a shared browser.
            response.headers.setdefault("Cache-Control", "no-store")
            if request.path_info == LOGOUT and request.method == "POST":
                response.headers["Clear-Site-Data"] = '"cache", "storage"'
        return response


class ForwardedSchemeMiddleware:
    """Accepts `X-Forwarded-Proto` only from TRUSTED_PROXIES: secure cookies and HSTS depend on it."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        peer = parse_ip(request.META["REMOTE_ADDR"]) if request.META.get("REMOTE_ADDR") else UNIX_SOCKET_PEER
        scheme = request.META.get("HTTP_X_FORWARDED_PROTO", "")
        if scheme in {"http", "https"} and peer and is_within(peer, settings.TRUSTED_PROXIES):
            request.META["wsgi.url_scheme"] = scheme
        return self.get_response(request)
