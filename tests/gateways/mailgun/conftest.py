"""A caller of Mailgun's API."""

from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart

from messages.models import Message
from messages.sending.worker_state import close_worker_state
from providers.routing.selection import routes
from tests.conftest import ApiClient

BASE = "/compat/mailgun"
# The least that an email needs.
EMAIL: dict[str, Any] = {"from": "shop@mine.test", "to": "one@rcpt.test", "subject": "Hi", "text": "Hello."}


class Mailgun:
    """Posts forms to `/compat/mailgun` with a key as the password of the user `api`."""

    def __init__(self, api: ApiClient) -> None:
        self._client = ApiClient(None)
        self.authorization = "Basic " + b64encode(f"api:{api.token}".encode()).decode()

    def call(self, method: str, path: str, body: bytes, content_type: str, **headers: str) -> HttpResponse:
        given = {"Authorization": self.authorization, "Content-Type": content_type, **headers}
        return self._client.request(method, BASE + path, body, **given)

    def send(self, form: dict[str, Any], domain: str = "mine.test", **headers: str) -> HttpResponse:
        """Files are `SimpleUploadedFile`; without any the form is urlencoded."""
        path = f"/v3/{domain}/messages"
        values = [item for value in form.values() for item in (value if isinstance(value, list) else [value])]
        if any(isinstance(value, SimpleUploadedFile) for value in values):
            return self.call("POST", path, encode_multipart(BOUNDARY, form), MULTIPART_CONTENT, **headers)
        return self.call(
            "POST", path, urlencode(form, doseq=True).encode(), "application/x-www-form-urlencoded", **headers
        )


@pytest.fixture(autouse=True)
def _fresh_process() -> Iterator[None]:
    routes.forget()
    yield
    close_worker_state()


@pytest.fixture
def mailgun(api: ApiClient) -> Mailgun:
    return Mailgun(api)


@pytest.fixture
def sent() -> Callable[[HttpResponse], Message]:
    """The stored email of a response."""

    def find(response: HttpResponse) -> Message:
        assert response.status_code == 200, response.content
        assert response.json()["message"] == "Queued. Thank you."
        return Message.objects.get(pk=response.json()["id"].strip("<").partition("@")[0])

    return find
