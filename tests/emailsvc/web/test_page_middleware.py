"""Requests of APIs pass by the middleware for pages."""

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.checks import run_checks
from django.test import Client

from tests.conftest import ApiClient

pytestmark = pytest.mark.django_db
PARTS = ("session", "user", "_messages")


def test_a_request_of_the_api_has_neither_session_nor_user_nor_page_messages(api: ApiClient) -> None:
    answer = api.get("/me")
    assert answer.status_code == 200
    # DRF sets `user` itself.
    assert [name for name in PARTS if hasattr(answer.wsgi_request, name)] == ["user"]
    assert answer["Content-Length"] == str(len(answer.content))


def test_a_request_of_a_page_has_them(client: Client) -> None:
    client.force_login(get_user_model().objects.create_superuser("root"))
    answer = client.get("/admin/")
    assert answer.status_code == 200
    assert [name for name in PARTS if hasattr(answer.wsgi_request, name)] == list(PARTS)


@pytest.mark.parametrize("path", ["/me", "/no-such-path"])
def test_an_answer_of_the_api_has_the_security_headers_of_a_page(api: ApiClient, client: Client, path: str) -> None:
    page, answer = client.get("/healthz"), api.get(path)
    names = ("X-Content-Type-Options", "Referrer-Policy", "Cross-Origin-Opener-Policy", "X-Frame-Options")
    assert {name: answer.headers.get(name) for name in names} == {name: page.headers[name] for name in names}
    assert dict(answer.items()).keys() == dict(answer.headers.items()).keys()


def test_only_an_answer_over_https_asks_for_https(api: ApiClient, settings: Any) -> None:
    settings.SECURE_HSTS_SECONDS = 60
    over_https = Client().get("/api/v1/me", secure=True)
    assert (over_https["Strict-Transport-Security"], over_https.status_code) == ("max-age=60", 401)
    assert "Strict-Transport-Security" not in Client().get("/api/v1/me")


def test_a_cookie_of_the_admin_is_no_credential_for_the_api(client: Client, project: Any) -> None:
    client.force_login(get_user_model().objects.create_superuser("root"))
    assert client.get("/api/v1/me").status_code == 401


def test_djangos_checks_know_the_classes_for_pages() -> None:
    assert not [found for found in run_checks() if found.is_serious()]
