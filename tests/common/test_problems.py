"""Errors as problem details, in views and outside of them."""

import json

import pytest
import structlog
from django.test import Client

pytestmark = pytest.mark.urls("tests.common.probe_urls")
MEMBERS = {"type", "title", "status", "detail", "code", "request_id", "errors"}


def check_problem(response, status, code):
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    body = json.loads(response.content)
    assert set(body) == MEMBERS
    assert (body["status"], body["code"]) == (status, code)
    assert body["type"] == f"urn:emailsvc:problem:{code}"
    assert body["request_id"] == response["X-Request-Id"]
    assert body["detail"]
    assert body["title"]
    return body


@pytest.fixture
def client():
    return Client(raise_request_exception=False)


FAULTS = [
    ("conflict", 409, "conflict"),
    ("not-found", 404, "not_found"),
    ("django-404", 404, "not_found"),
    ("denied", 403, "permission_denied"),
    ("suspicious", 400, "bad_request"),
    ("database", 503, "database_away"),
    ("bug", 500, "internal_error"),
    ("throttled", 429, "too_many_requests"),
]


@pytest.mark.parametrize(("kind", "status", "code"), FAULTS)
def test_each_fault_in_a_view_is_a_problem(client, kind, status, code):
    body = check_problem(client.get(f"/api/v1/faults/{kind}"), status, code)
    assert body["errors"] == []


@pytest.mark.parametrize(("kind", "status", "code"), FAULTS)
def test_each_fault_in_a_plain_function_below_api_is_a_problem(client, kind, status, code):
    check_problem(client.get(f"/api/v1/functions/{kind}"), status, code)


def test_faults_tell_no_inner_words(client):
    for kind in ("django-404", "database", "bug"):
        assert b"secret" not in client.get(f"/api/v1/faults/{kind}").content
        assert b"connect" not in client.get(f"/api/v1/faults/{kind}").json()["code"].encode()
        assert b"division" not in client.get(f"/api/v1/faults/{kind}").content


@pytest.mark.parametrize("kind", ["row", "behind-a-row"])
def test_the_log_never_quotes_a_row(client, kind, caplog, capsys):
    with structlog.testing.capture_logs() as lines:
        check_problem(client.get(f"/api/v1/faults/{kind}"), 500, "internal_error")
    (line,) = [line for line in lines if line["event"] == "request_failed"]
    assert line["database_error"] == "IntegrityError"
    assert "probe_urls" in line["stack"]
    assert "private" not in json.dumps(lines, default=str) + caplog.text + capsys.readouterr().err


@pytest.mark.parametrize(("kind", "wait"), [("database", "5"), ("throttled", "7")])
def test_what_passes_by_itself_says_when_to_come_again(client, kind, wait):
    assert client.get(f"/api/v1/faults/{kind}")["Retry-After"] == wait


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/api/", "/api", "/api/v1/faults/", "/api/%00", "/api/\ud800"])
def test_an_unknown_path_below_api_is_a_problem(client, path):
    check_problem(client.get(path.encode("utf-8", "surrogatepass").decode("latin-1")), 404, "not_found")


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/api/v1/functions/bug"])
def test_debug_pages_do_not_reach_programs(client, settings, path):
    settings.DEBUG = True
    response = client.get(path)
    assert response["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(("kind", "status"), [("django-404", 404), ("denied", 403), ("suspicious", 400), ("bug", 500)])
def test_pages_elsewhere_stay_pages(client, kind, status):
    response = client.get(f"/pages/{kind}")
    assert response.status_code == status
    assert response["Content-Type"].startswith("text/html")


def test_a_host_that_is_not_ours_is_refused_as_a_problem(client):
    check_problem(client.get("/api/v1/faults/bug", headers={"Host": "evil.test"}), 400, "bad_request")


def test_a_form_beyond_the_limit_is_413(client, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10
    response = client.post("/api/v1/form", "a=" + "b" * 20, content_type="application/x-www-form-urlencoded")
    check_problem(response, 413, "body_too_large")


def test_a_wrong_method_is_405_and_names_the_allowed(client):
    response = client.put("/api/v1/echo")
    check_problem(response, 405, "method_not_allowed")
    assert response["Allow"] == "POST, OPTIONS"


def test_an_accept_header_that_admits_no_json_is_answered_all_the_same(client):
    check_problem(client.get("/api/v1/faults/bug", headers={"Accept": "application/xml"}), 500, "internal_error")


def post_checked(client, value):
    return client.post("/api/v1/checked", json.dumps(value), content_type="application/json")


def test_wrong_fields_are_listed_flat_with_their_paths_and_codes(client):
    wrong = {"to": ["short", "too long"], "parts": [{"content": "abc"}, {}, {"content": "abcd"}, 5]}
    body = check_problem(post_checked(client, wrong), 422, "invalid_fields")
    assert [(error["field"], error["code"]) for error in body["errors"]] == [
        ("name", "required"),
        ("to[1]", "max_length"),
        ("parts[1].content", "required"),
        ("parts[2].content", "max_length"),
        ("parts[3]", "invalid"),
    ]
    assert all(set(error) == {"field", "code", "message"} for error in body["errors"])


def test_one_shared_code_stands_for_the_whole_problem(client):
    body = check_problem(post_checked(client, {"parts": []}), 422, "required")
    assert [error["field"] for error in body["errors"]] == ["name", "to"]


def test_an_error_of_the_whole_has_an_empty_path(client):
    body = check_problem(post_checked(client, {"name": "conflict", "to": [], "parts": []}), 422, "content_conflict")
    assert body["errors"] == [{"field": "", "code": "content_conflict", "message": "Not both."}]
    assert body["detail"] == "Not both."


def test_good_fields_pass(client):
    assert post_checked(client, {"name": "a", "to": ["b"], "parts": [{"content": "c"}]}).status_code == 200
