"""The hosts and paths of URLs in mail."""

from uuid import uuid4

import pytest
from django.urls import resolve

from tracking.engagement.tokens import Token, TokenPurpose, write_token
from tracking.engagement.tracking_urls import build_url


@pytest.mark.parametrize(
    ("public_url", "host", "expected"),
    [
        ("https://mail.service.test", None, "https://mail.service.test"),
        ("https://mail.service.test", "link.good.test", "https://link.good.test"),
        # The tracking host is an alias of ours: what is not at the usual port here is not there either.
        ("https://mail.service.test:8443", "link.good.test", "https://link.good.test:8443"),
        # It was asked over HTTPS, whatever we are called by.
        ("http://mail.service.test:8080", "link.good.test", "https://link.good.test"),
        ("http://mail.service.test:8080", None, "http://mail.service.test:8080"),
        ("http://[::1]:8000", None, "http://[::1]:8000"),
    ],
)
@pytest.mark.parametrize(
    ("purpose", "name"),
    [(TokenPurpose.OPEN, "track-open"), (TokenPurpose.CLICK, "track-click"), (TokenPurpose.UNSUBSCRIBE, "unsubscribe")],
)
def test_a_url_leads_to_its_view_on_the_host_that_answers_for_the_domain(
    settings, public_url, host, expected, purpose, name
):
    settings.PUBLIC_URL = public_url
    recipient_id = uuid4()
    url = build_url(host, purpose, recipient_id, 3)
    assert url.startswith(f"{expected}/")
    found = resolve(url.removeprefix(expected))
    assert (found.view_name, found.kwargs) == (name, {"text": write_token(Token(purpose, recipient_id, 3))})
