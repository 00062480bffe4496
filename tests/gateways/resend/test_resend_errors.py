"""Errors at Resend's door: their form, names and statuses, as resend-python reads them."""

import json
from http import HTTPStatus
from uuid import UUID

import pytest
import resend
from django.db import OperationalError
from resend.exceptions import InvalidApiKeyError, MissingRequiredFieldsError, ResendError

from accounts import scopes
from accounts.idempotency import IdempotencyInFlightError
from common.errors import TooManyRequestsError
from gateways.resend import email_views
from gateways.resend.errors import WORDING, show_error
from messages.models import Message
from tests.conftest import ApiClient
from tests.gateways.resend.conftest import BASE, EMAIL

pytestmark = pytest.mark.django_db


def check_error(response, status, name):
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/json"
    body = json.loads(response.content)
    assert set(body) == {"statusCode", "name", "message"}
    assert (body["statusCode"], body["name"]) == (status, name)
    assert body["message"]
    return body["message"]


def fail_with(error, send):
    with pytest.raises(error) as raised:
        send()
    return raised.value


def test_every_wrong_field_is_named_as_resend_names_it(api):
    body = {"from": "shop", "to": ["a@x.test", "b"], "subject": "a\nb", "text": "Hi", "templat": 1}
    message = check_error(api.post(f"{BASE}/emails", body), 422, "validation_error")
    for named in ("from: ", "to[1]: ", "subject: ", "templat: Unknown field. Did you mean"):
        assert named in message


@pytest.mark.usefixtures("sdk")
def test_missing_fields_have_a_name_of_their_own():
    error = fail_with(MissingRequiredFieldsError, lambda: resend.Emails.send({"from": "shop@mine.test"}))
    assert error.code == 422
    assert "to: " in error.message
    assert "subject: " in error.message


@pytest.mark.usefixtures("sdk")
def test_keys_are_refused_by_resends_names(anonymous, use_sdk, make_api):
    check_error(anonymous.post(f"{BASE}/emails", EMAIL), 401, "missing_api_key")
    use_sdk(ApiClient("re_123456789"))
    assert fail_with(InvalidApiKeyError, lambda: resend.Emails.send(EMAIL)).code == 403
    use_sdk(make_api(scopes=[scopes.EMAILS_SEND]))
    pk = resend.Emails.send(EMAIL)["id"]
    error = fail_with(ResendError, lambda: resend.Emails.get(pk))
    assert (error.code, error.error_type) == (401, "restricted_api_key")


def test_idempotency_keys_are_refused_by_resends_names(api, monkeypatch):
    answer = api.post(f"{BASE}/emails", EMAIL, Idempotency_Key="k" * 257)
    check_error(answer, 400, "invalid_idempotency_key")
    assert api.post(f"{BASE}/emails", EMAIL, Idempotency_Key="a").status_code == 200
    answer = api.post(f"{BASE}/emails", {**EMAIL, "subject": "Other"}, Idempotency_Key="a")
    check_error(answer, 409, "invalid_idempotent_request")
    shown = show_error(IdempotencyInFlightError())
    assert (shown["statusCode"], shown["name"]) == (409, "concurrent_idempotent_requests")
    assert Message.objects.count() == 1


def test_a_sender_that_is_not_verified_is_refused(api, project):
    answer = api.post("/providers", {"name": "relay", "url": "smtp://relay.mine.test"})
    assert answer.status_code == 201, answer.content
    message = check_error(api.post(f"{BASE}/emails", EMAIL), 403, "validation_error")
    assert "mine.test" in message


@pytest.mark.parametrize(
    ("body", "status"), [(b"{", 400), (b"[]", 422), (b"", 400), (b'{"to": 1, "to": 2}', 400), (b"\xff", 400)]
)
def test_a_body_that_is_no_object_is_refused(api, body, status):
    answer = api.post(f"{BASE}/emails", body, Content_Type="application/json")
    check_error(answer, status, "validation_error")


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize("path", ["/", "/broadcasts", "/emails/not-an-id", "/emails/a/b/c"])
def test_an_unknown_path_is_not_found_with_a_key_and_without(api, anonymous, method, path):
    for client in (api, anonymous):
        check_error(client.request(method, f"{BASE}{path}"), 404, "not_found")


def test_a_method_that_is_not_served_is_told(api):
    check_error(api.delete(f"{BASE}/emails"), 405, "method_not_allowed")


def test_a_fault_is_told_and_its_status_stays(api, monkeypatch):
    def fail(*_):
        raise OperationalError("gone")

    monkeypatch.setattr(email_views, "read_email", fail)
    answer = api.post(f"{BASE}/emails", EMAIL)
    check_error(answer, 503, "application_error")
    assert answer["Retry-After"]
    monkeypatch.setattr(email_views, "read_email", lambda *_: 1 / 0)
    check_error(api.post(f"{BASE}/emails", EMAIL), 500, "application_error")


def test_too_many_requests_have_resends_name():
    assert show_error(TooManyRequestsError())["name"] == "rate_limit_exceeded"
    assert show_error(TooManyRequestsError())["statusCode"] == HTTPStatus.TOO_MANY_REQUESTS


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("from_", "from"),
        ("[3].from_", "[3].from"),
        ("metadata.order", "tags.order"),
        ("template_vars.name", "template.variables.name"),
        ("attachments[2].content_b64", "attachments[2].content"),
        ("headers.content_b64", "headers.content_b64"),
        ("[3]", "[3]"),
        ("", ""),
    ],
)
def test_paths_have_resends_names(ours, theirs):
    assert WORDING.name_field(ours) == theirs


def test_the_openapi_document_has_only_our_own_api(client):
    paths = json.loads(client.get("/api/schema").content)["paths"]
    assert paths
    assert not [path for path in paths if "compat" in path]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/templates"),
        ("POST", "/templates"),
        ("GET", "/templates/a"),
        ("PATCH", "/templates/a"),
        ("DELETE", "/templates/a"),
        ("POST", "/templates/a/publish"),
        ("POST", "/templates/a/duplicate"),
        ("GET", "/webhooks"),
        ("POST", "/webhooks"),
        ("GET", f"/webhooks/{UUID(int=1)}"),
        ("PATCH", f"/webhooks/{UUID(int=1)}"),
        ("DELETE", f"/webhooks/{UUID(int=1)}"),
        ("POST", f"/webhooks/{UUID(int=1)}/signing-secret/rotate"),
        ("GET", f"/emails/{UUID(int=1)}/attachments"),
        ("GET", f"/emails/{UUID(int=1)}/attachments/{UUID(int=1)}"),
        ("PATCH", f"/domains/{UUID(int=1)}"),
    ],
)
def test_a_key_that_only_sends_is_restricted_to_that(make_api, method, path):
    answer = make_api(scopes=[scopes.EMAILS_SEND]).request(method, f"{BASE}{path}", {})
    assert (answer.status_code, answer.json()["name"]) == (401, "restricted_api_key")
