"""OAuth access tokens for relays (RFC 6749): by client credentials (4.4) or by a refresh token (6)."""

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from math import isfinite
from threading import Lock
from time import monotonic
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlencode

from delivery.http_client import BrokenError, HttpClient, HttpRequest, HttpResult, UnreachableError
from delivery.replies import clean_text
from delivery.smtp.credentials import TokenError

# RFC 6749, 5.1 makes `expires_in` optional.
USUAL_SECONDS = 600.0
# A token is renewed in this last part of its life, but at most so many seconds before its end.
LAST_PART, MOST_EARLY = 0.2, 300.0
TEMPORARY = {408, 429}
MAX_DESCRIPTION = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthClient:
    """The registration of this service at a token server. With a refresh token the mailbox's owner has granted access;
    without one the client's own secret is enough.
    """

    token_url: str
    client_id: str
    client_secret: str = field(default="", repr=False)
    refresh_token: str = field(default="", repr=False)
    scope: str = ""

    def write_request(self) -> bytes:
        """The body of a request for a token. Empty fields are left out."""
        fields = {
            "grant_type": "refresh_token" if self.refresh_token else "client_credentials",
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "refresh_token": self.refresh_token,
            "scope": self.scope,
        }
        return urlencode({name: value for name, value in fields.items() if value}).encode()


class IssuedToken(NamedTuple):
    """A token server's answer: the access token, its life in seconds, and the refresh token that replaces ours."""

    access: str
    seconds: float
    refresh: str = ""


class RefreshTokens(Protocol):
    """Keeps the newest refresh token for all processes: servers may issue another one at each use. Never raises."""

    def load(self) -> str:
        """The newest one; `""` when it is not known."""

    def save(self, token: str) -> None:
        """Replace it."""


class OAuthTokens:
    """The tokens of one client (`delivery.smtp.credentials.TokenSource`). Each is kept until shortly before its end.

    `open_http` makes the HTTP client of one request: hours pass between two. `kept` is needed for refresh tokens only.
    """

    def __init__(
        self,
        client: OAuthClient,
        open_http: Callable[[], HttpClient],
        kept: RefreshTokens | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._client = client
        self._open_http = open_http
        self._kept = kept if client.refresh_token else None
        self._clock = clock
        self._lock = Lock()
        self._token = ""
        self._renew_at = 0.0

    def find_token(self, rejected: str = "") -> str:
        """A valid token. Many connections that ask at once share one request. Raises TokenError."""
        with self._lock:
            if not self._token or self._token == rejected or self._clock() >= self._renew_at:
                self._token, seconds, _ = self._renew()
                self._renew_at = self._clock() + seconds - min(MOST_EARLY, seconds * LAST_PART)
            return self._token

    def _renew(self) -> IssuedToken:
        """A new token. A refresh token that another process has replaced meanwhile is no rejection."""
        self._load()
        try:
            issued = self._fetch()
        except TokenError as error:
            if not error.is_rejected or not self._load():
                raise
            issued = self._fetch()
        if issued.refresh not in {"", self._client.refresh_token}:
            self._client = replace(self._client, refresh_token=issued.refresh)
            if self._kept is not None:
                self._kept.save(issued.refresh)
        return issued

    def _load(self) -> bool:
        """Take over the newest refresh token; whether it is another one."""
        newest = self._kept.load() if self._kept is not None else ""
        if newest in {"", self._client.refresh_token}:
            return False
        self._client = replace(self._client, refresh_token=newest)
        return True

    def _fetch(self) -> IssuedToken:
        request = HttpRequest(
            method="POST",
            url=self._client.token_url,
            headers=[
                ("Content-Type", "application/x-www-form-urlencoded"),
                ("Accept", "application/json"),
                ("User-Agent", "emailsvc"),
            ],
            body=self._client.write_request(),
        )
        try:
            with closing(self._open_http()) as http:
                return read_token(http.call(request))
        except (UnreachableError, BrokenError) as error:
            raise TokenError(f"the token server does not answer: {error}") from None


def read_token(answer: HttpResult) -> IssuedToken:
    """The token in a token server's answer. Raises TokenError."""
    told = _read_object(answer.body)
    token, refresh = told.get("access_token"), told.get("refresh_token")
    if answer.status != 200 or not isinstance(token, str) or not _is_token(token):
        raise TokenError(
            f"the token server rejected the request: {_describe(answer, told)}",
            is_rejected=400 <= answer.status < 500 and answer.status not in TEMPORARY,
        )
    if not isinstance(refresh, str) or not _is_token(refresh):
        refresh = ""
    return IssuedToken(token, _read_seconds(told.get("expires_in")), refresh)


def _read_seconds(told: object) -> float:
    """A life in seconds; some servers write the number as a string."""
    try:
        seconds = float(str(told))
    except ValueError:
        return USUAL_SECONDS
    return max(0.0, seconds) if isfinite(seconds) else USUAL_SECONDS


def _read_object(body: bytes) -> dict[str, Any]:
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _is_token(text: str) -> bool:
    """Whether the text is a bearer token in form (RFC 6750, 2.1): no space or control character can end its line."""
    return bool(text) and text.isascii() and text.isprintable() and " " not in text


def _describe(answer: HttpResult, told: dict[str, Any]) -> str:
    """The error in words (RFC 6749, 5.2). An answer without an error may hold a token and is not shown."""
    words = [str(told[name]) for name in ("error", "error_description") if isinstance(told.get(name), str)]
    text = ": ".join(words) or "the answer has no token"
    # JSON may hold half a surrogate pair, which has no bytes.
    return clean_text(f"HTTP {answer.status}, {text}".encode("utf-8", "replace"))[:MAX_DESCRIPTION]
