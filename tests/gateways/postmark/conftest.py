"""A caller of Postmark's API, and django-anymail's backend for it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.http import HttpResponse

from messages.models import Message
from messages.sending.worker_state import close_worker_state
from providers.routing.selection import routes
from tests.conftest import ApiClient

BASE = "/compat/postmark"
# The least that an email needs.
EMAIL: dict[str, Any] = {"From": "shop@mine.test", "To": "one@rcpt.test", "Subject": "Hi", "TextBody": "Hello."}


class Postmark:
    """Calls `/compat/postmark` with a key in Postmark's header."""

    def __init__(self, api: ApiClient) -> None:
        self._client = ApiClient(None)
        self._headers = {"X-Postmark-Server-Token": api.token or ""}

    def call(self, method: str, path: str, body: Any = None) -> HttpResponse:
        return self._client.request(method, BASE + path, body, **self._headers)

    def post(self, path: str, body: Any = None) -> HttpResponse:
        return self.call("POST", path, body)

    def get(self, path: str) -> HttpResponse:
        return self.call("GET", path)


@pytest.fixture(autouse=True)
def _fresh_process() -> Iterator[None]:
    routes.forget()
    yield
    close_worker_state()


@pytest.fixture
def postmark(api: ApiClient) -> Postmark:
    return Postmark(api)


@pytest.fixture
def sent() -> Callable[[HttpResponse], Message]:
    """The stored email of a response."""

    def find(response: HttpResponse) -> Message:
        assert response.status_code == 200, response.content
        assert response.json()["ErrorCode"] == 0
        return Message.objects.get(pk=response.json()["MessageID"])

    return find
