"""What every answer says to browsers and caches, whatever part of the service gives it."""

from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from tests.api.conftest import EMAIL
from tests.conftest import ApiClient

pytestmark = pytest.mark.django_db
PATHS = (
    *("/api/v1/me", "/api/v1/emails", "/api/v1/nothing", "/compat/resend/emails", "/compat/nothing"),
    *(
        "/admin/login/",
        "/docs",
        "/docs/limits",
        "/healthz",
        "/static/",
        "/static/emailsvc/",
        "/t/c/nothing",
        "/nothing",
    ),
)


def answer_of(api: ApiClient, method: str, path: str) -> Any:
    """With a key below /api and /compat, as a page of another site would ask."""
    headers = {"Origin": "https://evil.test"}
    if path.startswith(("/api", "/compat")):
        return api.request(method, path, **headers)
    return Client(raise_request_exception=False).generic(method, path, headers=headers)


@pytest.mark.parametrize("path", PATHS)
def test_no_answer_is_for_other_sites(api: ApiClient, path: str) -> None:
    for method in ("GET", "OPTIONS"):
        answer = answer_of(api, method, path)
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert answer["Referrer-Policy"] in {"same-origin", "no-referrer"}
        assert answer["X-Frame-Options"] in {"DENY", "SAMEORIGIN"}
        assert not [name for name in answer.headers if name.startswith("Access-Control-")]


@pytest.mark.parametrize("path", PATHS)
def test_trace_repeats_nothing(api: ApiClient, path: str) -> None:
    answer = answer_of(api, "TRACE", path)
    assert 400 <= answer.status_code < 500
    assert b"evil.test" not in answer.content


@pytest.mark.parametrize("path", ["/static/", "/static/emailsvc/", "/docs/images/"])
def test_no_folder_is_listed(path: str) -> None:
    answer = Client(raise_request_exception=False).get(path, follow=True)
    assert answer.status_code == 404


def test_no_answer_of_the_api_is_kept_in_a_cache(api: ApiClient, anonymous: ApiClient) -> None:
    created = api.post("/emails", EMAIL)
    answers = [created, api.get("/emails"), api.get(f"/emails/{created.json()['id']}"), api.get(f"/emails/{uuid4()}")]
    answers += [api.get("/compat/resend/emails"), anonymous.get("/me"), api.post("/emails", {})]
    assert {answer["Cache-Control"] for answer in answers} == {"no-store"}
