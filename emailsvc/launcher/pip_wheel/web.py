"""HTTPS requests to an index. A login in the URL is sent to its own host only, and never shown."""

import http.client
import ssl
from base64 import b64encode
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import BaseHandler, HTTPSHandler, ProxyHandler, Request, build_opener

from emailsvc.launcher.pip_wheel.settings import Settings

TIMEOUT_SECONDS = 30
REFUSED = {401: "it wants another login in its URL", 403: "it wants another login in its URL"}


class SourceError(Exception):
    """The reason why a URL could not be fetched, and a remedy; never contains the URL."""


class NotFoundError(SourceError):
    """The page does not exist."""


def split_login(url: str) -> tuple[str, str]:
    """The URL without its login, and the login as the value of `Authorization`."""
    parts = urlsplit(url)
    login, _, place = parts.netloc.rpartition("@")
    name, _, password = login.partition(":")
    header = "Basic " + b64encode(f"{unquote(name)}:{unquote(password)}".encode()).decode() if login else ""
    return urlunsplit(parts._replace(netloc=place)), header


class Guard(BaseHandler):
    """Checks each request, redirects included: refuses plain HTTP, and sends a login only to its own host."""

    handler_order = 100

    def __init__(self, trusted_hosts: frozenset[str]) -> None:
        self.trusted_hosts = trusted_hosts
        self.logins: dict[tuple[str, str], str] = {}

    def remember(self, url: str) -> str:
        """The URL without its login, which later requests to the same host carry."""
        clean, header = split_login(url)
        if header:
            parts = urlsplit(clean)
            self.logins[parts.scheme, parts.netloc] = header
        return clean

    def https_request(self, request: Request) -> Request:
        if header := self.logins.get((request.type, request.host)):
            request.add_unredirected_header("Authorization", header)
        return request

    def http_request(self, request: Request) -> Request:
        parts = urlsplit(request.full_url)
        host = parts.hostname or ""
        if not (is_loopback(host) or {host, parts.netloc} & self.trusted_hosts):
            raise SourceError(f"http://{host} is not asked, since it is not HTTPS; name it by https://")
        return self.https_request(request)


def is_loopback(host: str) -> bool:
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"


class Web:
    """Opens URLs according to pip's settings."""

    def __init__(self, settings: Settings) -> None:
        self.guard = Guard(settings.trusted_hosts)
        proxies = {"http": settings.proxy, "https": settings.proxy} if settings.proxy else None
        https = HTTPSHandler(context=make_context(settings))
        self.opener = build_opener(ProxyHandler(proxies), https, self.guard)

    def open(self, url: str, accept: str = "*/*") -> Any:
        """The response, which the caller closes. Raises a SourceError with one sentence."""
        request = Request(self.guard.remember(url), headers={"Accept": accept, "User-Agent": "emailsvc"})  # noqa: S310
        try:
            return self.opener.open(request, timeout=TIMEOUT_SECONDS)
        except HTTPError as error:
            error.close()
            kind = NotFoundError if error.code in (404, 410) else SourceError
            raise kind(REFUSED.get(error.code, f"it answers {error.code}")) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise SourceError(explain(error)) from error


def explain(error: Exception) -> str:
    reason = error.reason if isinstance(error, URLError) else error
    if isinstance(reason, ssl.SSLCertVerificationError):
        cause = f"its certificate is not trusted ({reason.verify_message})"
        return f"{cause}: install ca-certificates, or name the file of its CA in PIP_CERT"
    cause = f"it cannot be reached ({reason or type(reason).__name__})"
    return f"{cause}: check the network, or name another index in PIP_INDEX_URL"


def make_context(settings: Settings) -> ssl.SSLContext:
    """Check certificates in the same way on each Python: 3.13 would reject private CAs that pip accepts."""
    place = settings.certificates or None
    is_folder = bool(place) and Path(settings.certificates).is_dir()
    try:
        context = ssl.create_default_context(cafile=None if is_folder else place, capath=place if is_folder else None)
        if settings.client_certificate:
            context.load_cert_chain(settings.client_certificate)
    except OSError as error:
        raise SourceError(f"the certificates that PIP_CERT or pip.conf names cannot be read ({error})") from error
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def copy_body(answer: IO[bytes], target: IO[bytes]) -> None:
    """Write the whole response. Network errors become SourceError; disk errors stay OSError."""
    while True:
        try:
            block = answer.read(1 << 16)
        except (OSError, http.client.HTTPException) as error:
            raise SourceError(explain(error)) from error
        if not block:
            # The rest of the announced length: when read in blocks, a cut-off response ends like a complete one.
            if getattr(answer, "length", None):
                raise SourceError("its answer broke off: try again")
            return
        target.write(block)
