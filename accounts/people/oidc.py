"""Single sign-on by OpenID Connect: code flow with PKCE (RFC 7636), state and nonce, by the guarded HTTP client."""

import hmac
import json
import secrets
import threading
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Any
from urllib.parse import quote, urlencode

from django.conf import settings

from accounts.people.id_tokens import Claims, Expected, TokenError, read_id_token
from delivery.http_client import BrokenError, HttpClient, HttpRequest, HttpSeconds, UnreachableError
from delivery.ssrf import Guard

SECONDS = HttpSeconds(connect=5.0, write=5.0, answer=5.0)
# Seconds for which the issuer's own description is kept, and the least time between two looks at its keys.
KEEP_SECONDS = 3600
KEYS_AGAIN_SECONDS = 60
FORM = ("Content-Type", "application/x-www-form-urlencoded")
NEEDED = ("authorization_endpoint", "token_endpoint", "jwks_uri")


class SignOnError(Exception):
    """The issuer cannot be used, or does not vouch for anybody. The text is for the log and the person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What one sign-in keeps in the session until the issuer sends the person back."""

    state: str
    nonce: str
    verifier: str
    next: str


@dataclass(slots=True)
class KnownIssuer:
    """What the issuer tells of itself, and when it did."""

    metadata: Mapping[str, Any]
    keys: Sequence[Mapping[str, Any]]
    read_at: float


_lock = threading.Lock()
_kept: dict[str, KnownIssuer] = {}


def start_attempt(next_url: str) -> Attempt:
    return Attempt(
        state=secrets.token_urlsafe(24),
        nonce=secrets.token_urlsafe(24),
        verifier=secrets.token_urlsafe(48),
        next=next_url,
    )


def build_authorization_url(attempt: Attempt, redirect_uri: str) -> str:
    """Where the person signs in. Raises `SignOnError`. Uses the network, where the issuer was not asked yet."""
    challenge = urlsafe_b64encode(sha256(attempt.verifier.encode()).digest()).decode().rstrip("=")
    query = {
        "response_type": "code",
        "client_id": settings.OIDC_CLIENT_ID,
        "redirect_uri": redirect_uri,
        "scope": "openid email profile",
        "state": attempt.state,
        "nonce": attempt.nonce,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    url = str(find_issuer().metadata["authorization_endpoint"])
    return f"{url}{'&' if '?' in url else '?'}{urlencode(query)}"


def finish_attempt(attempt: Mapping[str, str], state: str, code: str, redirect_uri: str) -> Claims:
    """What the issuer says of the person, by the code that came with them. Raises `SignOnError`."""
    if not hmac.compare_digest(attempt["state"].encode(), state.encode()) or not code:
        raise SignOnError("The answer belongs to another sign-in.")
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "code_verifier": attempt["verifier"],
    }
    token = exchange(form).get("id_token")
    expected = Expected(issuer=settings.OIDC_ISSUER, client_id=settings.OIDC_CLIENT_ID, nonce=attempt["nonce"])
    if not isinstance(token, str):
        raise SignOnError("The issuer sent no ID token.")
    try:
        return read_id_token(token, find_issuer().keys, expected, time.time())
    except TokenError as first:
        # The issuer may have new keys.
        try:
            return read_id_token(token, find_issuer(KEYS_AGAIN_SECONDS).keys, expected, time.time())
        except TokenError:
            raise SignOnError(f"The ID token is refused: {first}.") from None


def exchange(form: Mapping[str, str]) -> Mapping[str, Any]:
    """The answer of the token endpoint. The secret goes in a header (RFC 6749, 2.3.1) unless the issuer takes none."""
    metadata = find_issuer().metadata
    methods = metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    name, secret = settings.OIDC_CLIENT_ID, settings.OIDC_CLIENT_SECRET
    headers = [FORM, ("Accept", "application/json")]
    if "client_secret_basic" in methods:
        pair = f"{quote(name, safe='')}:{quote(secret, safe='')}".encode()
        headers.append(("Authorization", f"Basic {b64encode(pair).decode()}"))
    else:
        form = {**form, "client_id": name, "client_secret": secret}
    body = urlencode(form).encode()
    return fetch_json(HttpRequest(method="POST", url=str(metadata["token_endpoint"]), headers=headers, body=body))


def find_issuer(most_seconds: float = KEEP_SECONDS) -> KnownIssuer:
    """What the issuer tells of itself, at most so many seconds old."""
    issuer, now = settings.OIDC_ISSUER, time.monotonic()
    with _lock:
        kept = _kept.get(issuer)
        if kept is None or now - kept.read_at > most_seconds:
            kept = _kept[issuer] = read_issuer(issuer, now)
    return kept


def read_issuer(issuer: str, now: float) -> KnownIssuer:
    """Ask the issuer (OpenID Connect Discovery, 4)."""
    metadata = fetch_json(HttpRequest(method="GET", url=f"{issuer.rstrip('/')}/.well-known/openid-configuration"))
    if metadata.get("issuer") != issuer or not all(isinstance(metadata.get(name), str) for name in NEEDED):
        raise SignOnError("The issuer describes itself as another one, or not at all.")
    keys = fetch_json(HttpRequest(method="GET", url=str(metadata["jwks_uri"]))).get("keys")
    found = [key for key in keys if isinstance(key, dict)] if isinstance(keys, list) else []
    return KnownIssuer(metadata, found, now)


def fetch_json(request: HttpRequest) -> Mapping[str, Any]:
    """The JSON object that was answered. Raises `SignOnError`."""
    try:
        result = find_client().call(request)
        answer = json.loads(result.body)
    except (UnreachableError, BrokenError) as error:
        raise SignOnError(f"The issuer cannot be reached: {error}.") from None
    except (ValueError, RecursionError):
        raise SignOnError("The issuer answers no JSON.") from None
    if not isinstance(answer, dict) or result.status != 200:
        said = answer.get("error", "") if isinstance(answer, dict) else ""
        raise SignOnError(f"The issuer answers {result.status} {str(said)[:100]}.")
    return answer


@lru_cache(maxsize=1)
def find_client() -> HttpClient:
    """Made by the first sign-in of a process."""
    return HttpClient(Guard(allowed=settings.OIDC_ALLOWED_NETWORKS), seconds=SECONDS)


def keep_attempt(attempt: Attempt) -> dict[str, str]:
    """The attempt as a session holds it."""
    return asdict(attempt)
