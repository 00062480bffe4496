"""`/api/v1/domains`: create, read, update and delete."""

import json
import uuid

import pytest
from django.test import Client

from accounts.models import ApiKey, Project
from accounts.scopes import DOMAINS_READ, DOMAINS_WRITE
from accounts.services import create_api_key, create_project
from domains.models import DkimKey, Domain

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_name(settings) -> None:
    settings.PUBLIC_URL = "https://mail.service.test"


@pytest.fixture
def project() -> Project:
    return create_project(name="acme")


def client_for(project: Project, *scopes: str) -> Client:
    _key: ApiKey
    _key, text = create_api_key(project, scopes=scopes or (DOMAINS_READ, DOMAINS_WRITE))
    return Client(headers={"authorization": f"Bearer {text}"})


@pytest.fixture
def client(project: Project) -> Client:
    return client_for(project)


def send(client: Client, method: str, path: str, body: object) -> object:
    return client.generic(method, path, json.dumps(body), content_type="application/json")


def add(client: Client, **body: object) -> dict[str, object]:
    answer = send(client, "POST", "/api/v1/domains", {"name": "good.test", **body})
    assert answer.status_code == 201, answer.content
    return answer.json()


def test_adding_a_domain_answers_201_with_the_records_to_publish(client, project):
    answer = send(client, "POST", "/api/v1/domains", {"name": "Good.Test"})
    assert answer.status_code == 201
    body = answer.json()
    assert answer["Location"].endswith(f"/api/v1/domains/{body['id']}")
    domain = Domain.objects.get(project=project)
    assert (body["id"], body["name"], body["status"]) == (str(domain.pk), "good.test", "pending")
    assert body["default_from"] is None
    assert body["created_at"].endswith("Z")
    assert [body[name] for name in ("verified_at", "checked_at", "failing_since")] == [None] * 3
    key = domain.dkim_keys.get()
    assert [(each["purpose"], each["type"], each["name"], each["value"]) for each in body["records"]] == [
        ("ownership", "TXT", "_emailsvc.good.test", f"emailsvc-verification={domain.ownership_token}"),
        ("dkim", "TXT", f"{key.selector}._domainkey.good.test", key.public_record),
        ("return_path", "CNAME", "bounce.good.test", "mail.service.test"),
        ("tracking", "CNAME", "link.good.test", "mail.service.test"),
        ("dmarc", "TXT", "_dmarc.good.test", "v=DMARC1; p=none"),
    ]
    assert {(each["status"], tuple(each["found"]), each["checked_at"]) for each in body["records"]} == {
        ("unknown", (), None)
    }


def test_no_answer_holds_a_private_key(client):
    body = add(client)
    private = str(DkimKey.objects.get().private_key)
    assert private.split("\n")[1] not in json.dumps(body)
    assert "PRIVATE" not in json.dumps(body)


def test_ed25519_is_available_beside_rsa(client):
    body = add(client, dkim_algorithms=["ed25519-sha256"])
    values = [each["value"] for each in body["records"] if each["purpose"] == "dkim"]
    assert sorted(value.split(";")[1] for value in values) == [" k=ed25519", " k=rsa"]


@pytest.mark.parametrize("absent", [None, ""])
def test_a_default_sender_may_be_given_absent_changed_and_cleared(client, absent):
    body = add(client, default_from="Good <hello@good.test>")
    assert body["default_from"] == "Good <hello@good.test>"
    path = f"/api/v1/domains/{body['id']}"
    assert send(client, "PATCH", path, {}).json()["default_from"] == "Good <hello@good.test>"
    assert send(client, "PATCH", path, {"default_from": "b@good.test"}).json()["default_from"] == "b@good.test"
    cleared = send(client, "PATCH", path, {"default_from": absent})
    assert (cleared.status_code, cleared.json()["default_from"]) == (200, None)


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({}, "name", "required"),
        ({"name": None}, "name", "null"),
        ({"name": ""}, "name", "blank"),
        ({"name": 5}, "name", "invalid"),
        ({"name": ["good.test"]}, "name", "invalid"),
        ({"name": "good"}, "name", "invalid_domain"),
        ({"name": "a@good.test"}, "name", "invalid_domain"),
        ({"name": "https://good.test/"}, "name", "invalid_domain"),
        ({"name": "127.0.0.1"}, "name", "invalid_domain"),
        ({"name": "good.test\nBcc: x"}, "name", "control_character"),
        ({"name": "go\u202eod.test"}, "name", "invalid_domain"),
        ({"name": "x" * 5000}, "name", "max_length"),
        ({"name": "good.test", "nmae": 1}, "nmae", "unknown_field"),
        ({"name": "good.test", "default_from": "a@other.test"}, "default_from", "other_domain"),
        ({"name": "good.test", "default_from": "nobody"}, "default_from", "invalid_address"),
        ({"name": "good.test", "default_from": "a@good.test\r\nBcc: b@c.test"}, "default_from", "control_character"),
        ({"name": "good.test", "dkim_algorithms": ["rsa-sha1"]}, "dkim_algorithms[0]", "invalid_choice"),
        ({"name": "good.test", "dkim_algorithms": "rsa-sha256"}, "dkim_algorithms", "not_a_list"),
    ],
)
def test_a_wrong_field_is_refused_by_name_and_nothing_is_stored(client, body, field, code):
    answer = send(client, "POST", "/api/v1/domains", body)
    assert answer.status_code == 422, answer.content
    assert [(error["field"], error["code"]) for error in answer.json()["errors"]] == [(field, code)]
    assert not Domain.objects.exists()


def test_the_same_domain_twice_is_a_conflict_only_within_a_project(client):
    add(client)
    answer = send(client, "POST", "/api/v1/domains", {"name": "GOOD.test."})
    assert (answer.status_code, answer.json()["code"]) == (409, "domain_exists")
    add(client_for(create_project(name="rival")))


def test_the_list_is_the_newest_first_in_pages(client):
    names = [f"d{number}.test" for number in range(3)]
    for name in names:
        add(client, name=name)
    page = client.get("/api/v1/domains?limit=2").json()
    assert ([row["name"] for row in page["data"]], page["has_more"]) == (["d2.test", "d1.test"], True)
    assert {row["purpose"] for row in page["data"][0]["records"]} >= {"ownership", "dkim"}
    page = client.get(f"/api/v1/domains/?limit=2&after={page['next']}").json()
    assert ([row["name"] for row in page["data"]], page["has_more"]) == (["d0.test"], False)
    assert [row["name"] for row in client.get("/api/v1/domains?name=D1.test.").json()["data"]] == ["d1.test"]
    assert client.get("/api/v1/domains?name=%7b").json()["data"] == []
    assert client.get("/api/v1/domains?name=%00").status_code == 422


def test_a_list_costs_the_same_however_long_it_is(client, project, django_assert_max_num_queries):
    for number in range(4):
        domain = Domain.objects.create(project=project, name=f"d{number}.test", next_check_at="2030-01-01T00:00Z")
        domain.dkim_keys.create(selector="s", algorithm="rsa-sha256", private_key="-", public_record="v=DKIM1; p=AA")
    # Two of them read the limits, which a process keeps otherwise.
    with django_assert_max_num_queries(7):
        assert len(client.get("/api/v1/domains").json()["data"]) == 4


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "offset=0", "nmae=x", "limit=1&limit=2"])
def test_a_wrong_query_is_refused(client, query):
    assert client.get(f"/api/v1/domains?{query}").status_code == 422


def test_a_domain_is_read_with_and_without_a_slash(client):
    body = add(client)
    for path in (f"/api/v1/domains/{body['id']}", f"/api/v1/domains/{body['id']}/"):
        answer = client.get(path)
        assert (answer.status_code, answer.json()) == (200, body)


def test_a_removed_domain_is_gone_with_its_keys(client):
    body = add(client)
    answer = client.delete(f"/api/v1/domains/{body['id']}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert client.get(f"/api/v1/domains/{body['id']}").status_code == 404
    assert not DkimKey.objects.exists()


def test_adding_again_after_removal_gives_another_token(client):
    first = add(client)
    client.delete(f"/api/v1/domains/{first['id']}")
    assert add(client)["records"][0]["value"] != first["records"][0]["value"]


ROUTES = [
    ("GET", "/api/v1/domains", DOMAINS_READ),
    ("POST", "/api/v1/domains", DOMAINS_WRITE),
    ("GET", "/api/v1/domains/{id}", DOMAINS_READ),
    ("PATCH", "/api/v1/domains/{id}", DOMAINS_WRITE),
    ("DELETE", "/api/v1/domains/{id}", DOMAINS_WRITE),
    ("POST", "/api/v1/domains/{id}/verify", DOMAINS_WRITE),
    ("POST", "/api/v1/domains/{id}/rotate", DOMAINS_WRITE),
]


@pytest.mark.parametrize(("method", "path", "scope"), ROUTES)
def test_every_route_needs_its_scope(project, client, method, path, scope):
    path = path.format(id=add(client)["id"])
    other = {DOMAINS_READ: DOMAINS_WRITE, DOMAINS_WRITE: DOMAINS_READ}[scope]
    answer = send(client_for(project, other), method, path, {})
    assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope")
    assert scope in answer.json()["detail"]
    assert send(Client(), method, path, {}).status_code == 401


@pytest.mark.parametrize(("method", "path"), [route[:2] for route in ROUTES if "{id}" in route[1]])
def test_the_domain_of_another_project_is_404_like_an_unknown_one(client, method, path):
    rival = client_for(create_project(name="rival"))
    theirs = send(rival, method, path.format(id=add(client)["id"]), {})
    nobodys = send(rival, method, path.format(id=uuid.uuid4()), {})
    assert theirs.status_code == nobodys.status_code == 404
    strip = {"request_id", "instance"}
    bodies = [{key: value for key, value in answer.json().items() if key not in strip} for answer in (theirs, nobodys)]
    assert bodies[0] == bodies[1]
    assert Domain.objects.count() == 1


def test_an_invalid_id_is_404(client):
    assert client.get("/api/v1/domains/good.test").status_code == 404


def test_a_method_that_is_not_served_is_405(client):
    path = f"/api/v1/domains/{add(client)['id']}"
    assert send(client, "PUT", path, {}).status_code == 405
    assert client.get(f"{path}/verify").status_code == 405
