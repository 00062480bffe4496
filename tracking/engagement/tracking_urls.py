"""The URLs that go into mails. Their paths are in `public_urls`; hosts of sending domains answer to these alone."""

from functools import lru_cache
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.urls import reverse

from tracking.engagement.tokens import Token, TokenPurpose, write_token

# Names of routes, by what the token in them is good for.
ROUTES = {TokenPurpose.OPEN: "track-open", TokenPurpose.CLICK: "track-click", TokenPurpose.UNSUBSCRIBE: "unsubscribe"}


def build_url(host: str | None, purpose: TokenPurpose, recipient_id: UUID, link: int = 0) -> str:
    """`https://link.example.com/t/c/…`: on the sending domain's tracking host where it has one, else on ours."""
    return find_prefix(settings.PUBLIC_URL, host, purpose) + write_token(Token(purpose, recipient_id, link))


@lru_cache(maxsize=4096)
def find_prefix(public_url: str, host: str | None, purpose: TokenPurpose) -> str:
    """What stands before the token. A tracking host leads to this machine, where we are at PUBLIC_URL's port.

    Kept, since a mail of 40 links would spend more on finding its path than on everything else.
    """
    own = urlsplit(public_url)
    port = f":{own.port}" if own.port else ""
    path = reverse(ROUTES[purpose], args=["-"]).removesuffix("-")
    return f"{own.scheme}://{f'{host}{port}' if host else own.netloc}{path}"
