"""`/api/v1/webhooks`: create, read, update, delete."""

import json
import socket
from ipaddress import ip_network
from uuid import uuid4

import pytest

from accounts.scopes import WEBHOOKS_READ, WEBHOOKS_WRITE
from ledger.sql import fetch
from webhooks import services
from webhooks.models import Endpoint, WebhookDelivery

pytestmark = pytest.mark.django_db
URL = "https://93.184.215.14/hook"


def add(api, **body):
    answer = api.post("/webhooks", {"url": URL, "events": ["email.delivered"], **body})
    assert answer.status_code == 201, answer.content
    return answer.json()


def test_a_new_endpoint_has_a_secret_that_is_shown_once(api, project):
    answer = api.post("/webhooks", {"url": URL, "events": ["email.sent", "email.bounced", "email.sent"]})
    assert answer.status_code == 201
    body = answer.json()
    assert answer["Location"].endswith(f"/api/v1/webhooks/{body['id']}")
    assert body["secret"].startswith("whsec_")
    assert body["events"] == ["email.bounced", "email.sent"]
    assert (body["url"], body["status"], body["failing_since"], body["disabled_reason"]) == (URL, "enabled", None, None)
    shown = api.get(f"/webhooks/{body['id']}").json()
    assert "secret" not in json.dumps(shown)
    assert shown.items() <= body.items()
    assert str(Endpoint.objects.get(project=project).secret) == body["secret"]


def test_a_database_dump_shows_no_secret(api):
    secret = add(api)["secret"]
    ((stored,),) = fetch("SELECT secret FROM webhooks_endpoint")
    assert secret not in stored
    assert secret.removeprefix("whsec_") not in stored


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("HTTP://93.184.215.14", None),
        ("http://93.184.215.14", "http://93.184.215.14/"),
        ("http://93.184.215.14:80/a?b=c", "http://93.184.215.14/a?b=c"),
        ("https://[2606:4700::1111]:8443/x", "https://[2606:4700::1111]:8443/x"),
    ],
)
def test_a_url_has_one_spelling(api, url, shown):
    answer = api.post("/webhooks", {"url": url, "events": ["*"]})
    assert answer.json().get("url") == shown


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://2130706433/", "invalid_host"),
        ("http://0x7f.1/", "invalid_host"),
        ("http://0177.0.0.1/", "invalid_host"),
        ("http://[::ffff:127.0.0.1]/", "invalid_host"),
        ("http://127.0.0.1/", "forbidden_address"),
        ("http://localhost/", "forbidden_address"),
        ("http://[::1]/", "forbidden_address"),
        ("http://[64:ff9b::7f00:1]/", "forbidden_address"),
        ("http://169.254.169.254/latest/meta-data", "forbidden_address"),
        ("http://[2002:7f00:1::]/", "forbidden_address"),
        ("http://100.64.0.1/", "forbidden_address"),
        ("ftp://93.184.215.14/", "invalid_url"),
        ("http://user:password@93.184.215.14/", "invalid_url"),
        ("http://93.184.215.14/#x", "invalid_url"),
        ("http://93.184.215.14/\r\nX: y", "invalid_url"),
        ("", "blank"),
        (None, "null"),
        (5, "invalid"),
        ("http://93.184.215.14/" + "x" * 3000, "max_length"),
    ],
)
@pytest.mark.parametrize("networks", [[], ["192.168.0.0/16"]])
def test_a_url_that_leads_inside_is_refused(api, settings, url, code, networks):
    settings.WEBHOOK_ALLOWED_NETWORKS = [ip_network(text) for text in networks]
    answer = api.post("/webhooks", {"url": url, "events": ["*"]})
    assert answer.status_code == 422
    assert [(error["field"], error["code"]) for error in answer.json()["errors"]] == [("url", code)]
    assert not Endpoint.objects.exists()


@pytest.mark.parametrize("url", ["http://2130706433/", "http://0177.0.0.1/", "http://[::ffff:127.0.0.1]/"])
def test_odd_hosts_are_refused_inside_allowed_networks_too(api, settings, url):
    settings.WEBHOOK_ALLOWED_NETWORKS = [ip_network("127.0.0.0/8")]
    assert api.post("/webhooks", {"url": url, "events": ["*"]}).status_code == 422
    assert api.post("/webhooks", {"url": "http://127.0.0.1:8080/", "events": ["*"]}).status_code == 201


def test_a_name_is_looked_up_and_one_that_nobody_knows_yet_is_admitted(api, monkeypatch):
    found = {"inside.test": "10.0.0.1", "outside.test": "93.184.215.14"}

    def look_up(host, port, *args, **kwargs):
        if host not in found:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (found[host], port))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    statuses = {
        host: api.post("/webhooks", {"url": f"https://{host}/", "events": ["*"]}).status_code
        for host in ("inside.test", "outside.test", "later.test")
    }
    assert statuses == {"inside.test": 422, "outside.test": 201, "later.test": 201}


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({"events": []}, "events", "min_length"),
        ({"events": None}, "events", "null"),
        ({"events": "email.sent"}, "events", "not_a_list"),
        ({"events": ["email.lost"]}, "events[0]", "unknown_event_type"),
        ({"events": ["email.sent", 5]}, "events[1]", "invalid"),
        ({"events": ["*"] * 51}, "events", "max_length"),
        ({"events": ["*"], "secert": "x"}, "secert", "unknown_field"),
        ({"events": ["*"], "secret": "whsec_x"}, "secret", "unknown_field"),
        ({"events": ["*"], "description": "a\nb"}, "description", "control_character"),
        ({}, "events", "required"),
    ],
)
def test_a_wrong_field_is_refused_by_name(api, body, field, code):
    answer = api.post("/webhooks", {"url": URL, **body})
    assert answer.status_code == 422
    assert [(error["field"], error["code"]) for error in answer.json()["errors"]] == [(field, code)]


def test_a_project_has_so_many_endpoints(api, monkeypatch):
    monkeypatch.setattr(services, "MAX_ENDPOINTS", 1)
    add(api)
    answer = api.post("/webhooks", {"url": URL, "events": ["*"]})
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_endpoints")


def test_the_list_is_the_newest_first_in_pages(api):
    first, second = add(api, description="first"), add(api, description="second")
    page = api.get("/webhooks?limit=1").json()
    assert ([row["id"] for row in page["data"]], page["has_more"]) == ([second["id"]], True)
    page = api.get(f"/webhooks/?limit=1&after={page['next']}").json()
    assert ([row["id"] for row in page["data"]], page["has_more"]) == ([first["id"]], False)
    assert "secret" not in page["data"][0]


def test_an_endpoint_is_changed_in_parts(api):
    path = f"/webhooks/{add(api)['id']}"
    assert api.patch(path, {"events": ["email.failed", "*"]}).json()["events"] == ["*"]
    assert api.patch(path, {"url": "https://93.184.215.14:8443/"}).json()["url"] == "https://93.184.215.14:8443/"
    assert api.patch(path, {"description": "mine"}).json()["description"] == "mine"
    disabled = api.patch(path, {"status": "disabled"}).json()
    assert (disabled["status"], disabled["disabled_reason"]) == ("disabled", "Disabled by its owner.")
    enabled = api.patch(path, {"status": "enabled"}).json()
    assert (enabled["status"], enabled["disabled_reason"]) == ("enabled", None)
    assert api.patch(path, {"url": "http://127.0.0.1/"}).status_code == 422
    assert api.patch(path, {"status": "gone"}).status_code == 422
    assert api.patch(path, {}).json()["url"] == "https://93.184.215.14:8443/"


def test_a_removed_endpoint_is_gone(api):
    path = f"/webhooks/{add(api)['id']}"
    api.post(f"{path}/test")
    answer = api.delete(path)
    assert (answer.status_code, answer.content) == (204, b"")
    assert api.get(path).status_code == 404
    assert not WebhookDelivery.objects.exists()


def test_a_rotation_answers_with_the_new_secret(api):
    old = add(api)
    answer = api.post(f"/webhooks/{old['id']}/rotate")
    assert answer.status_code == 200
    new = answer.json()
    assert new["secret"] not in {old["secret"], ""}
    assert new["previous_secret_until"].endswith("Z")
    row = Endpoint.objects.get()
    assert (str(row.retired_secrets.get().secret), str(row.secret)) == (old["secret"], new["secret"])


ROUTES = [
    ("GET", "/webhooks", WEBHOOKS_READ),
    ("POST", "/webhooks", WEBHOOKS_WRITE),
    ("GET", "/webhooks/{id}", WEBHOOKS_READ),
    ("PATCH", "/webhooks/{id}", WEBHOOKS_WRITE),
    ("DELETE", "/webhooks/{id}", WEBHOOKS_WRITE),
    ("GET", "/webhooks/{id}/deliveries", WEBHOOKS_READ),
    ("POST", "/webhooks/{id}/test", WEBHOOKS_WRITE),
    ("POST", "/webhooks/{id}/rotate", WEBHOOKS_WRITE),
    ("POST", "/webhooks/{id}/replay", WEBHOOKS_WRITE),
]


@pytest.mark.parametrize(("method", "path", "scope"), ROUTES)
def test_every_route_needs_its_scope(api, make_api, anonymous, method, path, scope):
    path = path.format(id=add(api)["id"])
    other = {WEBHOOKS_READ: WEBHOOKS_WRITE, WEBHOOKS_WRITE: WEBHOOKS_READ}[scope]
    body = None if method == "GET" else {}
    answer = make_api(scopes=[other]).request(method, path, body)
    assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope")
    assert scope in answer.json()["detail"]
    assert anonymous.request(method, path, body).status_code == 401


@pytest.mark.parametrize(("method", "path"), [route[:2] for route in ROUTES if "{id}" in route[1]])
def test_anothers_endpoint_is_404_as_one_that_does_not_exist(api, other_api, method, path):
    body = None if method == "GET" else {}
    theirs = other_api.request(method, path.format(id=add(api)["id"]), body)
    nobodys = other_api.request(method, path.format(id=uuid4()), body)
    assert theirs.status_code == nobodys.status_code == 404
    bodies = [{k: v for k, v in answer.json().items() if k != "request_id"} for answer in (theirs, nobodys)]
    assert bodies[0] == bodies[1]
    assert Endpoint.objects.count() == 1
