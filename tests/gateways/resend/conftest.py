"""The real resend-python, whose HTTP client is led to Django's test client."""

import json as json_module
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest
import resend
from django.test import Client
from resend.exceptions import ResendError
from resend.http_client import HTTPClient

from messages.models import Message
from messages.sending.worker_state import close_worker_state
from providers.routing.selection import routes
from tests.conftest import ApiClient

BASE = "/compat/resend"
# The least that an email needs.
EMAIL: dict[str, Any] = {"from": "shop@mine.test", "to": ["one@rcpt.test"], "subject": "Hi", "text": "Hello."}


class InProcess(HTTPClient):
    """Hands the SDK's requests to Django without a socket."""

    def __init__(self) -> None:
        self.client = Client(raise_request_exception=False)

    def request(  # type: ignore[override]
        self, method: str, url: str, headers: Mapping[str, str], json: Any = None, **_: Any
    ) -> tuple[bytes, int, Mapping[str, str]]:
        parts = urlsplit(url)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        body = b"" if json is None else json_module.dumps(json).encode()
        answer = self.client.generic(method.upper(), path, body, content_type="application/json", headers=dict(headers))
        return answer.content, answer.status_code, dict(answer.headers)


@pytest.fixture(autouse=True)
def _fresh_process() -> Iterator[None]:
    routes.forget()
    yield
    close_worker_state()


@pytest.fixture
def use_sdk(monkeypatch: pytest.MonkeyPatch) -> Callable[[ApiClient], None]:
    """Gives the SDK the key of a client."""

    def use(client: ApiClient) -> None:
        monkeypatch.setattr(resend, "api_key", client.token)

    return use


@pytest.fixture
def sdk(api: ApiClient, use_sdk: Callable[[ApiClient], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK with a live key of `project` and our base URL."""
    monkeypatch.setattr(resend, "api_url", f"http://testserver{BASE}")
    monkeypatch.setattr(resend, "default_http_client", InProcess())
    use_sdk(api)


@pytest.fixture
def sent() -> Callable[[str], Message]:
    """The stored email with this id."""
    return lambda pk: Message.objects.get(pk=pk)


def refused(call: Callable[[], object]) -> tuple[str, int]:
    """The name and the status of the error that a call raises."""
    with pytest.raises(ResendError) as raised:
        call()
    return raised.value.error_type, int(raised.value.code)
