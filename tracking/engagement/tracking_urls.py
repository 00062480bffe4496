"""The URLs in messages. `engagement.urls` has their paths, the only ones that tracking hosts serve."""

from functools import lru_cache
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.urls import reverse

from domains.tracking_probe import public_port
from tracking.engagement.tokens import Token, TokenPurpose, write_token, write_tokens

# The names of routes, by the purpose of the token.
ROUTES = {TokenPurpose.OPEN: "track-open", TokenPurpose.CLICK: "track-click", TokenPurpose.UNSUBSCRIBE: "unsubscribe"}


def build_url(host: str | None, purpose: TokenPurpose, recipient_id: UUID, link: int = 0) -> str:
    """`https://link.example.com/t/c/…`, on the sending domain's tracking host if it has one, else on PUBLIC_URL."""
    return find_prefix(settings.PUBLIC_URL, host, purpose) + write_token(Token(purpose, recipient_id, link))


def build_click_urls(host: str | None, recipient_id: UUID, count: int) -> list[str]:
    """The URLs of a recipient's first `count` links, as of `build_url`."""
    prefix = find_prefix(settings.PUBLIC_URL, host, TokenPurpose.CLICK)
    return [prefix + token for token in write_tokens(TokenPurpose.CLICK, recipient_id, range(count))]


@lru_cache(maxsize=4096)
def find_prefix(public_url: str, host: str | None, purpose: TokenPurpose) -> str:
    """The part of the URL before the token. A tracking host is always https, on the port of an https PUBLIC_URL.

    Cached, because the look-up of the path would take most of the time of a message with 40 links.
    """
    own = urlsplit(public_url)
    path = reverse(ROUTES[purpose], args=["-"]).removesuffix("-")
    if host is None:
        return f"{own.scheme}://{own.netloc}{path}"
    return f"https://{host}{public_port()}{path}"
