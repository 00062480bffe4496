"""Our clients, led to the service in this process or to its stand-in."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from django.test import Client as DjangoClient
from emailsvc_client import Client
from emailsvc_client.configuration import defaults
from emailsvc_client.testing.fixtures import emailsvc_outbox, emailsvc_webhook

from tests.conftest import ApiClient

__all__ = ["emailsvc_outbox", "emailsvc_webhook"]

URL = "http://testserver"


def lead_to_django(request: httpx.Request) -> httpx.Response:
    """The service's answer, without a socket."""
    headers = dict(request.headers)
    answer = DjangoClient(raise_request_exception=False).generic(
        request.method,
        request.url.raw_path.decode(),
        request.content,
        content_type=headers.pop("content-type", ""),
        headers={name: value for name, value in headers.items() if name != "content-length"},
    )
    return httpx.Response(answer.status_code, headers=dict(answer.headers), content=answer.content)


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch, api: ApiClient) -> None:
    """Every client finds the service of this process, and a key of `project` in the environment."""
    monkeypatch.setattr(defaults, "transport", httpx.MockTransport(lead_to_django))
    monkeypatch.setenv("EMAILSVC_URL", URL)
    monkeypatch.setenv("EMAILSVC_API_KEY", api.token or "")


@pytest.fixture
def client(in_process: None) -> Client:
    return Client()


@pytest.fixture
def answering() -> Callable[..., tuple[Client, list[httpx.Request], list[float]]]:
    """A client that gets these answers in turn, with the requests that it sent and the waits between them.

    An answer is a response or an exception.
    """

    def build(*answers: Any, **options: Any) -> tuple[Client, list[httpx.Request], list[float]]:
        requests: list[httpx.Request] = []
        waits: list[float] = []
        rest = iter(answers)

        def answer(request: httpx.Request) -> httpx.Response:
            requests.append(request)
            found = next(rest)
            if isinstance(found, Exception):
                raise found
            return found

        transport = httpx.MockTransport(answer)
        return Client(URL, "es_test_k", transport=transport, sleep=waits.append, **options), requests, waits

    return build
