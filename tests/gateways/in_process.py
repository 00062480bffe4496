"""Leads the requests of unmodified clients to Django's test client, without a socket."""

from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from django.test import Client
from requests.adapters import BaseAdapter


class DjangoAdapter(BaseAdapter):
    """An adapter of `requests`, which django-anymail and many SDKs use."""

    def __init__(self) -> None:
        super().__init__()
        self.client = Client(raise_request_exception=False)

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:  # type: ignore[override]
        parts = urlsplit(request.url or "")
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        body = request.body or b""
        headers = {str(name): str(value) for name, value in request.headers.items()}
        answer = self.client.generic(
            request.method or "GET",
            str(path),
            body.encode() if isinstance(body, str) else body,
            content_type=headers.pop("Content-Type", ""),
            headers=headers,
        )
        response = requests.Response()
        response.status_code = answer.status_code
        response.headers.update(answer.headers)
        response._content = answer.content
        response.url, response.request, response.reason = str(request.url), request, answer.reason_phrase
        return response

    def close(self) -> None:
        """Holds nothing."""


def lead_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every session of `requests` use the test client."""
    adapter = DjangoAdapter()
    monkeypatch.setattr(requests.Session, "get_adapter", lambda _session, url: adapter)
