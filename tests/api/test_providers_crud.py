"""`/api/v1/providers`: create, read without credentials, update, pause and delete."""

from ipaddress import ip_network
from typing import Any

import pytest

from accounts.models import Project
from providers.models import Provider
from providers.services import sync_shared_provider
from tests.conftest import ApiClient
from tests.provider_rows import settings_of

RELAY = {"name": "relay", "url": "smtp://me:s3cret-pass@relay.test:2587?tls=starttls", "priority": 3, "weight": 2}


def test_a_provider_is_made_from_a_url_and_never_shows_its_credentials(api: ApiClient) -> None:
    made = api.post("/providers", RELAY)
    assert made.status_code == 201
    body = made.json()
    assert (body["name"], body["kind"], body["priority"], body["weight"]) == ("relay", "smtp", 3, 2)
    assert body["settings"] == {"host": "relay.test", "port": "2587", "tls": "starttls"}
    assert (body["shared"], body["enabled"], body["health"]["status"]) == (False, True, "ok")
    assert made["Location"].endswith(f"/providers/{body['id']}")
    for answer in (made, api.get(f"/providers/{body['id']}"), api.get("/providers")):
        assert b"s3cret" not in answer.content
        assert b'"me"' not in answer.content


def test_a_provider_is_made_from_settings(api: ApiClient) -> None:
    settings = {"host": "relay.test", "port": 465, "username": "a@b:c", "password": "p/?#%", "verify": False}
    made = api.post("/providers", {"name": "relay", "kind": "smtp", "settings": settings})
    assert made.status_code == 201, made.content
    assert made.json()["settings"] == {"host": "relay.test", "port": "465", "verify": "no"}


def test_credentials_stand_encrypted_in_the_database(api: ApiClient) -> None:
    api.post("/providers", RELAY)
    raw = Provider.objects.extra(select={"raw": "settings"}).values_list("raw", flat=True)[0]
    assert "s3cret" not in raw
    assert Provider.objects.get().settings["password"] == "s3cret-pass"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "x"}, "kind"),
        ({"name": "x", "url": "ftp://relay.test"}, "url"),
        ({"name": "x", "url": "smtp://"}, "url"),
        ({"name": "x", "url": "smtp://relay.test:99999"}, "url"),
        ({"name": "x", "url": "smtp://relay.test?tls=perhaps"}, "url"),
        ({"name": "x", "url": "smtp://relay.test?tsl=never"}, "url"),
        ({"name": "x", "url": "smtp://relay.test?ca=/etc/passwd"}, "url"),
        ({"name": "x", "url": "inbox://relay.test"}, "url"),
        ({"name": "x", "url": "smtp://relay.test", "kind": "simulator"}, "kind"),
        ({"name": "x", "url": "smtp://relay.test", "settings": {"host": "a"}}, "settings"),
        ({"name": "x", "kind": "pigeon", "settings": {}}, "kind"),
        ({"name": "x", "kind": "smtp", "settings": {"port": "25"}}, "settings.host"),
        ({"name": "x", "kind": "smtp", "settings": {"host": "a", "port": "0x19"}}, "settings.port"),
        ({"name": "x", "kind": "smtp", "settings": {"host": ["a"]}}, "settings.host"),
        ({"name": "x", "kind": "smtp", "settings": {"host": True}}, "settings.host"),
        ({"name": "x", "kind": "smtp", "settings": {"host": 12}}, "settings.host"),
        ({"name": "x", "kind": "smtp", "settings": {"host": "a", "port": True}}, "settings.port"),
        ({"name": "x", "kind": "smtp", "settings": {"host": "a", "verify": 1}}, "settings.verify"),
        ({"name": "x", "kind": "smtp", "settings": {"host": "a", "username": "b", "password": 1}}, "settings.password"),
        ({"name": "x", "kind": "esp", "settings": {"esp": True}}, "settings.esp"),
        ({"name": "x", "kind": "smtp", "settings": {"host": "a\r\nb"}}, "settings.host"),
        ({"name": "x", "kind": "smtp", "settings": {"host": "a", "password": "p"}}, "settings.username"),
        ({"name": "x", "kind": "smtp", "settings": ["host"]}, "settings"),
        ({"name": "", "url": "simulator:"}, "name"),
        ({"name": "x\n", "url": "simulator:"}, "name"),
        ({"name": "x", "url": "simulator:", "weight": 0}, "weight"),
        ({"name": "x", "url": "simulator:", "rate_limit": 0}, "rate_limit"),
        ({"name": "x", "url": "simulator:", "connection_limit": 0}, "connection_limit"),
        ({"name": "x", "url": "simulator:", "wieght": 1}, "wieght"),
    ],
)
def test_an_invalid_provider_is_rejected_by_field(api: ApiClient, body: dict[str, object], field: str) -> None:
    answer = api.post("/providers", body)
    assert answer.status_code == 422, answer.content
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert not Provider.objects.exists()


def test_a_name_is_used_once_in_a_project(api: ApiClient, other_api: ApiClient) -> None:
    assert api.post("/providers", RELAY).status_code == 201
    again = api.post("/providers", RELAY)
    assert (again.status_code, again.json()["code"]) == (409, "provider_exists")
    assert other_api.post("/providers", RELAY).status_code == 201


def test_a_change_keeps_what_it_does_not_name(api: ApiClient) -> None:
    pk = api.post("/providers", RELAY).json()["id"]
    answer = api.patch(f"/providers/{pk}", {"priority": 9, "enabled": False})
    assert answer.status_code == 200
    assert (answer.json()["priority"], answer.json()["weight"], answer.json()["enabled"]) == (9, 2, False)
    assert answer.json()["health"]["status"] == "disabled"
    assert Provider.objects.get().settings["password"] == "s3cret-pass"


def test_new_settings_keep_the_credentials_only_for_the_same_host(api: ApiClient) -> None:
    pk = api.post("/providers", RELAY).json()["id"]
    same = api.patch(f"/providers/{pk}", {"settings": {"host": "relay.test", "port": 26}})
    assert same.status_code == 200, same.content
    assert Provider.objects.get().settings == settings_of("smtp://me:s3cret-pass@relay.test:26")
    api.patch(f"/providers/{pk}", {"settings": {"host": "thief.test"}})
    assert Provider.objects.get().settings == settings_of("smtp://thief.test")


def test_null_removes_a_setting_that_is_never_shown(api: ApiClient) -> None:
    pk = api.post("/providers", RELAY).json()["id"]
    settings = {"host": "relay.test", "username": None, "password": None}
    assert api.patch(f"/providers/{pk}", {"settings": settings}).status_code == 200
    assert Provider.objects.get().settings == settings_of("smtp://relay.test")


def test_a_provider_is_removed(api: ApiClient) -> None:
    pk = api.post("/providers", RELAY).json()["id"]
    assert api.delete(f"/providers/{pk}").status_code == 204
    assert api.get(f"/providers/{pk}").status_code == 404


def test_another_project_sees_nothing_of_it(api: ApiClient, other_api: ApiClient) -> None:
    pk = api.post("/providers", RELAY).json()["id"]
    for answer in (
        other_api.get(f"/providers/{pk}"),
        other_api.patch(f"/providers/{pk}", {"priority": 1}),
        other_api.delete(f"/providers/{pk}"),
        other_api.post(f"/providers/{pk}/pause"),
        other_api.post(f"/providers/{pk}/check"),
    ):
        assert answer.status_code == 404
    assert other_api.get("/providers").json()["data"] == []


def test_a_shared_provider_is_seen_without_settings_and_cannot_be_changed(api: ApiClient) -> None:
    sync_shared_provider("smtp://me:s3cret@relay.test")
    (shown,) = api.get("/providers").json()["data"]
    assert (shown["shared"], shown["settings"]) == (True, None)
    for answer in (
        api.patch(f"/providers/{shown['id']}", {"url": "smtp://thief.test"}),
        api.delete(f"/providers/{shown['id']}"),
        api.post(f"/providers/{shown['id']}/pause"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "shared_provider")


def test_own_providers_come_before_shared_ones_in_the_list(api: ApiClient) -> None:
    sync_shared_provider("simulator:")
    for name, priority in (("second", 2), ("first", 1)):
        api.post("/providers", {"name": name, "url": "simulator:", "priority": priority})
    page = api.get("/providers?limit=2").json()
    assert [row["name"] for row in page["data"]] == ["first", "second"]
    assert page["has_more"] is True


def test_a_pause_holds_until_it_is_resumed(api: ApiClient) -> None:
    pk = api.post("/providers", RELAY).json()["id"]
    paused = api.post(f"/providers/{pk}/pause", {"reason": "moving"}).json()
    assert paused["health"] == {"status": "paused", "reason": "moving", "until": None}
    timed = api.post(f"/providers/{pk}/pause", {"seconds": 60}).json()
    assert timed["health"]["status"] == "paused"
    assert api.post(f"/providers/{pk}/resume").json()["health"]["status"] == "ok"
    assert api.post(f"/providers/{pk}/pause", {"seconds": 0}).status_code == 422


def test_scopes_are_needed(make_api) -> None:
    reader, stranger = make_api(scopes=["providers:read"]), make_api(scopes=["emails:send"])
    writer = make_api(scopes=["providers:write"])
    assert reader.get("/providers").status_code == 200
    assert reader.post("/providers", RELAY).json()["code"] == "missing_scope"
    assert stranger.get("/providers").json()["code"] == "missing_scope"
    assert writer.post("/providers", RELAY).status_code == 201


def test_an_inbox_that_a_project_names_is_no_reason_to_trust_any_sender(
    api: ApiClient, project: Project, settings: Any
) -> None:
    """It may be a relay on this machine."""
    settings.PROVIDER_ALLOWED_NETWORKS = [ip_network("127.0.0.0/8")]
    api.post("/providers", {"name": "inbox", "url": "inbox://127.0.0.1:25"})
    email = {"to": "a@x.test", "from_": "ceo@bank.test", "subject": "s", "text": "t"}
    assert api.post("/emails", email).json()["code"] == "sender_not_verified"


def test_an_inbox_that_the_operator_names_takes_any_sender(api: ApiClient, project: Project) -> None:
    Provider.objects.create(project=project, name="inbox", kind="inbox", settings=settings_of("inbox://127.0.0.1:2525"))
    email = {"to": "a@x.test", "from_": "anybody@anywhere.test", "subject": "s", "text": "t"}
    assert api.post("/emails", email).status_code == 202
