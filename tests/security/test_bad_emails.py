"""Wrong emails: in a batch, beyond the size of a body, and with several faults at once; they leave no trace."""

from typing import Any

import pytest
from django.apps import apps

from tests.api.conftest import EMAIL
from tests.security.bad_emails import FIELDS

pytestmark = pytest.mark.django_db
TABLES = [model for label in ("mail", "tracking") for model in apps.get_app_config(label).get_models()]


@pytest.fixture(autouse=True)
def _leaves_no_trace(django_capture_on_commit_callbacks) -> Any:
    """Whatever a test asks: no row in any table, and nobody is woken."""
    with django_capture_on_commit_callbacks() as callbacks:
        yield
    assert callbacks == []
    assert {model.__name__: model.objects.count() for model in TABLES if model.objects.exists()} == {}


def check_problem(answer, status, code):
    body = answer.json()
    assert (answer.status_code, body["code"]) == (status, code), body
    assert answer["Content-Type"] == "application/problem+json"
    assert body["status"] == status
    assert body["request_id"] == answer["X-Request-Id"]
    return body


@pytest.mark.parametrize("group", FIELDS)
def test_a_wrong_field_in_a_batch_is_named_with_its_index(api, group):
    for change, field, code in FIELDS[group][::7]:
        body = check_problem(api.post("/emails/batch", [EMAIL, {**EMAIL, **change}]), 422, code)
        assert body["errors"][0]["field"].startswith(f"[1].{field}"[:200]), (change, body)


@pytest.mark.parametrize(("path", "mebibytes"), [("/emails", 16), ("/emails/batch", 32)])
def test_a_body_beyond_the_limit_is_413_before_it_is_read_as_json(api, path, mebibytes):
    limit = mebibytes * 1024 * 1024
    padding = b'{"x": "' if path == "/emails" else b'[{"x": "'
    whole = padding + b"x" * (limit - len(padding))
    check_problem(api.post(path, whole, Content_Type="application/json"), 400, "malformed_json")
    body = check_problem(api.post(path, whole + b"x", Content_Type="application/json"), 413, "body_too_large")
    assert str(limit) in body["detail"]


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        (
            {},
            {("to", "required"), ("subject", "required"), ("html", "required"), ("from_", "required")},
        ),
        (
            {"to": "nobody", "from": "x", "scheduled_att": 1},
            {
                ("to", "invalid_address"),
                ("from_", "invalid_address"),
                ("scheduled_att", "unknown_field"),
                ("subject", "required"),
                ("html", "required"),
            },
        ),
        (
            {**EMAIL, "template_id": "none", "priority": "high"},
            {
                ("subject", "content_conflict"),
                ("text", "content_conflict"),
                ("template_id", "template_not_found"),
                ("priority", "invalid_choice"),
            },
        ),
        (
            {**EMAIL, "from_": None, "to": [f"u{n}@x.test" for n in range(51)], "tags": [5]},
            {("from_", "required"), ("to", "too_many_recipients"), ("tags[0]", "invalid")},
        ),
        (
            {**EMAIL, "domain_id": "x", "cc": "a@b@c", "expires_at": "2000-01-01T00:00:00Z"},
            {("domain_id", "invalid"), ("cc", "invalid_address"), ("expires_at", "not_in_future")},
        ),
    ],
    ids=["nothing", "form", "template", "recipients", "domain"],
)
def test_all_errors_are_reported_at_once(api, body, errors):
    answer = api.post("/emails", body)
    assert {
        (error["field"], error["code"])
        for error in check_problem(answer, 422, "invalid_fields" if body else "required")["errors"]
    } == errors


def test_an_error_names_the_nearest_word_or_the_choices(api):
    errors = api.post("/emails", {**EMAIL, "priority": "norml", "on_uncertain": "x", "scheduled_att": 1}).json()[
        "errors"
    ]
    told = {error["field"]: error["message"] for error in errors}
    assert "Did you mean normal?" in told["priority"]
    assert "Choose one of retry, hold." in told["on_uncertain"]
    assert "Did you mean scheduled_at?" in told["scheduled_att"]
