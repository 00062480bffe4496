"""The URLs that go into mails. Their paths are in `public_urls`; hosts of sending domains answer to these alone."""

from uuid import UUID

from django.conf import settings
from django.urls import reverse

from tracking.tokens import Purpose, Token, write_token

# Names of routes, by what the token in them is good for.
ROUTES = {Purpose.OPEN: "track-open", Purpose.CLICK: "track-click", Purpose.UNSUBSCRIBE: "unsubscribe"}


def build_url(host: str | None, purpose: Purpose, recipient_id: UUID, link: int = 0) -> str:
    """`https://link.example.com/t/c/…`: on the sending domain's tracking host where it has one, else on ours."""
    scheme, _, own_host = settings.PUBLIC_URL.partition("://")
    token = write_token(Token(purpose, recipient_id, link))
    return f"{scheme}://{host or own_host}{reverse(ROUTES[purpose], args=[token])}"
