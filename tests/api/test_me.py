"""GET /api/v1/me."""

from datetime import UTC, datetime

# The defaults.
AMOUNTS = {
    "requests_per_second": 5_000,
    "messages_per_second": 50_000,
    "messages_per_day": None,
    "messages_per_month": None,
}


def test_a_key_learns_its_project_scopes_and_limits(make_api, project):
    api = make_api(
        name="ci",
        scopes=["emails:send", "emails:read"],
        expires_at=datetime(2999, 1, 1, tzinfo=UTC),
        allowed_ips=["127.0.0.1"],
        allowed_recipients=["*@a.test"],
    )
    response = api.get("/me")
    assert (response.status_code, response["Content-Type"]) == (200, "application/json")
    assert response.json() == {
        "project": {"id": str(project.pk), "name": "Acme"},
        "key": {
            "id": str(api.key.pk),
            "name": "ci",
            "prefix": api.key.prefix,
            "test": False,
            "scopes": ["emails:read", "emails:send"],
            "hold_for_approval": False,
            "expires_at": "2999-01-01T00:00:00Z",
        },
        "limits": {
            "allowed_ips": ["127.0.0.1/32"],
            "allowed_recipients": ["*@a.test"],
            "key": AMOUNTS,
            "project": AMOUNTS,
        },
    }


def test_me_shows_a_test_key_without_scopes_or_limits(make_api):
    body = make_api(scopes=[], is_test=True).get("/me/").json()
    assert (body["key"]["test"], body["key"]["scopes"], body["key"]["expires_at"]) == (True, [], None)
    assert body["limits"] == {"allowed_ips": [], "allowed_recipients": [], "key": AMOUNTS, "project": AMOUNTS}


def test_the_key_itself_is_not_shown_again(api):
    assert api.token.encode() not in api.get("/me").content


def test_without_a_key_nothing_is_revealed(anonymous, db):
    response = anonymous.get("/me")
    assert (response.status_code, response.json()["code"]) == (401, "not_authenticated")
    assert response["WWW-Authenticate"] == "Bearer"
