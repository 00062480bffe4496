"""Asks a tracking host over HTTPS whether it is this service: a DNS record alone does not make its links work.

The probe is `https://HOST/t/probe/TOKEN`, with a signed random token. The answer is another signature, which only an
installation with the same SECRET_KEY can make: a parking page, or another service behind the name, does not pass.
"""

import hmac
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from hashlib import sha256
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

import structlog
from django.conf import settings

from delivery.dns import LookUpStatus
from delivery.http_client import BrokenError, HttpClient, HttpRequest, HttpSeconds, UnreachableError
from delivery.ssrf import Guard, IpAddress, IpNetwork
from domains.dns.alias_checks import collect_addresses
from domains.dns.resolver import Resolver
from domains.published_records import public_host

log = structlog.get_logger(__name__)

# Also the time in which a proxy gets the certificate on demand; a later check finds it if that takes longer.
PROBE_SECONDS = HttpSeconds(connect=10.0, write=5.0, answer=10.0)
NONCE_BYTES = 16


def new_probe_token() -> str:
    """A token that no other probe has."""
    nonce = secrets.token_urlsafe(NONCE_BYTES)
    return f"{nonce}.{_sign('ask', nonce, settings.SECRET_KEY)}"


def answer_probe(token: str) -> str | None:
    """This service's answer to a token of its own; None for any other text."""
    nonce, _, signature = token.partition(".")
    if not token.isascii():
        return None
    for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        if hmac.compare_digest(signature, _sign("ask", nonce, secret)):
            return _sign("answer", nonce, secret)
    return None


def probe_host(host: str, resolver: Resolver) -> str:
    """Why the tracking host does not work over HTTPS, as a sentence; empty if it does. Blocks on the network."""
    token = new_probe_token()
    url = f"https://{host}{public_port()}/t/probe/{token}"
    client = HttpClient(make_guard(resolver), seconds=PROBE_SECONDS)
    try:
        result = client.call(HttpRequest(method="GET", url=url, headers=[("User-Agent", "emailsvc probe")]))
    except (UnreachableError, BrokenError) as error:
        log.info("tracking_host_unreachable", host=host, error=str(error))
        return f"https://{host} does not answer: {str(error).rstrip('.')}."
    finally:
        client.close()
    if result.status == 200 and hmac.compare_digest(result.text.strip().encode(), (answer_probe(token) or "").encode()):
        return ""
    return f"https://{host} is answered by another service (status {result.status})."


def public_port() -> str:
    """`:8443` if PUBLIC_URL is https with a port of its own, else empty."""
    own = urlsplit(settings.PUBLIC_URL)
    return f":{own.port}" if own.scheme == "https" and own.port else ""


def make_guard(resolver: Resolver) -> Guard:
    """Admits public addresses and those of PUBLIC_URL, which may be in a private network."""

    def resolve(host: str, _port: int) -> Sequence[IpAddress]:
        found = collect_addresses(host, resolver)
        if found is None:
            raise OSError(f"{host} cannot be resolved: {LookUpStatus.TIMEOUT}")
        return [ip_address(text) for text in sorted(found)]

    return Guard(allowed=list_own_networks(resolver), resolve=resolve)


def list_own_networks(resolver: Resolver) -> list[IpNetwork]:
    host = public_host()
    try:
        own = {str(ip_address(host))}
    except ValueError:
        own = collect_addresses(host, resolver) or set()
    return [ip_network(text) for text in own]


def _sign(purpose: str, nonce: str, secret: str) -> str:
    key = sha256(b"emailsvc tracking probe\0" + secret.encode()).digest()
    return urlsafe_b64encode(hmac.digest(key, f"{purpose} {nonce}".encode(), "sha256")).rstrip(b"=").decode()
