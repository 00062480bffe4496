"""A caller of SendGrid's API."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.http import HttpResponse

from messages.models import Message
from messages.sending.worker_state import close_worker_state
from providers.routing.selection import routes
from tests.conftest import ApiClient

BASE = "/compat/sendgrid"
Send = Callable[..., HttpResponse]


@pytest.fixture(autouse=True)
def _fresh_process() -> Iterator[None]:
    routes.forget()
    yield
    close_worker_state()


def build_mail(*to: str, **fields: Any) -> dict[str, Any]:
    """The least that a request needs: an email of its own for each address."""
    return {
        "personalizations": [{"to": [{"email": address}]} for address in to or ("one@rcpt.test",)],
        "from": {"email": "shop@mine.test"},
        "subject": "Hi",
        "content": [{"type": "text/plain", "value": "Hello."}],
        **fields,
    }


@pytest.fixture
def send(api: ApiClient) -> Send:
    """Posts the fields of a request."""
    return lambda *to, **fields: api.post(f"{BASE}/v3/mail/send", build_mail(*to, **fields))


@pytest.fixture
def stored() -> Callable[[HttpResponse], list[Message]]:
    """The emails of an accepted request, in order."""

    def find(response: HttpResponse) -> list[Message]:
        assert (response.status_code, response.content) == (202, b""), response.content
        messages = list(Message.objects.order_by("pk"))
        assert response["X-Message-Id"] == str(messages[0].pk)
        return messages

    return find
