"""Authentication and scopes of API calls."""

from datetime import timedelta
from ipaddress import ip_network

import pytest
from django.utils import timezone

from accounts.checks import check_scopes, find_undeclared
from accounts.scopes import EMAILS_READ, EMAILS_SEND, STATS_READ
from accounts.services import revoke_api_key
from tests.accounts import scoped_urls

pytestmark = [pytest.mark.urls("tests.accounts.scoped_urls"), pytest.mark.django_db]
ID = "01890a5d-ac96-774b-bcce-b302099a8057"


def outcome(response):
    return response.status_code, response.json().get("code")


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("", "not_authenticated"),
        ("Bearer", "invalid_key"),
        ("Bearer ", "invalid_key"),
        ("Basic dXNlcjpwYXNz", "invalid_key"),
        ("Token {token}", "invalid_key"),
        ("{token}", "invalid_key"),
        ("Bearer {token}x", "invalid_key"),
        ("Bearer {token} {token}", "invalid_key"),
        ("Bearer\t{token}", "invalid_key"),
        ("Bearer é", "invalid_key"),
        ("Bearer " + "x" * 8_000, "invalid_key"),
    ],
)
def test_no_or_a_bad_credential_is_401_and_asks_for_bearer(api, header, code):
    response = api.get("/things", Authorization=header.format(token=api.token))
    assert outcome(response) == (401, code)
    assert response["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer  "])
def test_a_good_key_is_let_in(api, scheme):
    response = api.get("/things", Authorization=f"{scheme} {api.token}")
    assert (response.status_code, response.json()) == (200, {"project": "Acme", "prefix": api.key.prefix})


def test_a_request_without_authorization_is_401_before_anything_else_is_said(anonymous):
    for method, path in (("get", f"/things/{ID}"), ("post", "/things"), ("put", "/things"), ("get", "/forgetful")):
        assert outcome(getattr(anonymous, method)(path)) == (401, "not_authenticated")


def test_a_key_that_has_ended_is_401_with_its_reason(make_api):
    revoked, expired = make_api(), make_api(expires_at=timezone.now() - timedelta(days=1))
    revoke_api_key(revoked.key)
    assert outcome(revoked.get("/things")) == (401, "key_revoked")
    assert outcome(expired.get("/things")) == (401, "key_expired")
    assert revoked.get("/things")["WWW-Authenticate"] == "Bearer"


def test_a_key_from_a_wrong_ip_is_403(make_api, settings):
    limited = make_api(allowed_ips=["192.0.2.0/24"])
    assert outcome(limited.get("/things")) == (403, "ip_not_allowed")
    assert outcome(limited.get("/things", X_Forwarded_For="192.0.2.7")) == (403, "ip_not_allowed")
    settings.TRUSTED_PROXIES = [ip_network("127.0.0.0/8")]
    assert limited.get("/things", X_Forwarded_For="192.0.2.7").status_code == 200


ROUTES = [
    ("get", "/things", EMAILS_READ),
    ("head", "/things", EMAILS_READ),
    ("post", "/things", EMAILS_SEND),
    ("get", f"/things/{ID}", EMAILS_READ),
    ("post", f"/things/{ID}/cancel", EMAILS_SEND),
    ("get", "/plain", STATS_READ),
    ("head", "/plain", STATS_READ),
]


@pytest.mark.parametrize(("method", "path", "scope"), ROUTES)
def test_each_action_needs_its_own_scope(make_api, method, path, scope):
    assert make_api(scopes=[scope]).request(method.upper(), path).status_code == 200
    others = make_api(scopes=sorted({EMAILS_READ, EMAILS_SEND, STATS_READ} - {scope}))
    response = others.request(method.upper(), path)
    assert response.status_code == 403
    if method != "head":
        assert response.json()["code"] == "missing_scope"
        assert scope in response.json()["detail"]


def test_a_view_may_ask_for_no_scope_but_never_for_no_key(make_api, anonymous):
    assert make_api(scopes=[]).post("/plain").status_code == 200
    assert anonymous.post("/plain").status_code == 401


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("path", ["/things", "/plain", "/forgetful"])
def test_a_method_that_is_not_served_is_405(api, method, path):
    assert outcome(api.request(method, path)) == (405, "method_not_allowed")


def test_a_view_without_a_scope_admits_no_caller(api):
    assert outcome(api.get("/forgetful")) == (500, "internal_error")
    assert outcome(api.post("/half")) == (500, "internal_error")


def test_the_system_check_names_each_view_that_forgot_its_scope():
    assert list(find_undeclared(scoped_urls.good)) == []
    named = {(name.rpartition(".")[2], action) for name, action in find_undeclared(scoped_urls.bad)}
    assert named == {("ForgetfulView", "get"), ("HalfViewSet", "list"), ("HalfViewSet", "create")}
    assert {error.id for error in check_scopes()} == {"accounts.E001"}
