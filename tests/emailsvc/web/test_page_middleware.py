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


def test_a_cookie_of_the_admin_is_no_credential_for_the_api(client: Client, project: Any) -> None:
    client.force_login(get_user_model().objects.create_superuser("root"))
    assert client.get("/api/v1/me").status_code == 401


def test_djangos_checks_know_the_classes_for_pages() -> None:
    assert not [found for found in run_checks() if found.is_serious()]
