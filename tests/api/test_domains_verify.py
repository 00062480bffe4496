"""`POST /api/v1/domains/{id}/verify` and `/rotate`, with a DNS server on loopback."""

import json

import pytest
from django.test import Client

from accounts.models import Project
from accounts.scopes import DOMAINS_READ, DOMAINS_WRITE
from accounts.services import create_api_key, create_project
from domains.dns.records import RecordPurpose
from domains.models import Domain
from tests.domains.dns_server import DnsServer
from tests.domains.owner import publish_records

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return create_project(name="acme")


@pytest.fixture
def client(project: Project) -> Client:
    _, text = create_api_key(project, scopes=[DOMAINS_READ, DOMAINS_WRITE])
    return Client(headers={"authorization": f"Bearer {text}"})


@pytest.fixture
def domain(zone: DnsServer, client: Client) -> Domain:
    answer = client.post("/api/v1/domains", {"name": "good.test"}, content_type="application/json")
    return Domain.objects.get(pk=answer.json()["id"])


def states(body: dict[str, object]) -> dict[str, str]:
    return {record["purpose"]: record["status"] for record in body["records"]}


def test_a_published_domain_is_verified(zone, client, domain):
    publish_records(zone, domain)
    answer = client.generic("POST", f"/api/v1/domains/{domain.pk}/verify")
    assert answer.status_code == 200
    body = answer.json()
    assert body["status"] == "verified"
    assert set(states(body).values()) == {"ok"}
    assert body["verified_at"].endswith("Z")
    assert body["checked_at"].endswith("Z")
    assert body == client.get(f"/api/v1/domains/{domain.pk}").json()


def test_an_unpublished_domain_stays_pending_and_every_record_has_its_advice(client, domain):
    body = client.generic("POST", f"/api/v1/domains/{domain.pk}/verify/").json()
    assert body["status"] == "pending"
    assert set(states(body).values()) == {"missing"}
    assert all(record["advice"] for record in body["records"])


def test_found_records_are_shown_beside_expected_ones(zone, client, domain):
    publish_records(zone, domain, without={RecordPurpose.OWNERSHIP})
    zone.put("_emailsvc.good.test", "TXT", "emailsvc-verification=<script>alert(1)</script>")
    record = client.generic("POST", f"/api/v1/domains/{domain.pk}/verify").json()["records"][0]
    assert (record["status"], record["found"]) == (
        "wrong",
        ["emailsvc-verification=<script>alert(1)</script>"],
    )


def test_rotation_shows_the_new_record_beside_the_old_one(zone, client, domain):
    publish_records(zone, domain)
    client.generic("POST", f"/api/v1/domains/{domain.pk}/verify")
    body = client.generic("POST", f"/api/v1/domains/{domain.pk}/rotate").json()
    assert [record["status"] for record in body["records"] if record["purpose"] == "dkim"] == ["ok", "unknown"]
    again = client.generic("POST", f"/api/v1/domains/{domain.pk}/rotate").json()
    assert again == body


def test_rotation_can_add_an_algorithm(client, domain):
    body = client.post(
        f"/api/v1/domains/{domain.pk}/rotate", {"dkim_algorithms": ["ed25519-sha256"]}, content_type="application/json"
    ).json()
    assert len([record for record in body["records"] if record["purpose"] == "dkim"]) == 2


@pytest.mark.parametrize("body", [{"dkim_algorithms": ["md5"]}, {"algorithm": "rsa-sha256"}, {"dkim_algorithms": 1}])
def test_a_wrong_rotation_is_refused_and_makes_no_key(client, domain, body):
    path = f"/api/v1/domains/{domain.pk}/rotate"
    assert client.post(path, json.dumps(body), content_type="application/json").status_code == 422
    assert domain.dkim_keys.count() == 1
