"""Domains by the real resend-python."""

from datetime import UTC, datetime
from typing import Any

import pytest
import resend
from resend.exceptions import ResendError

from accounts import scopes
from domains.domain_status import DomainStatus
from domains.models import Domain
from tests.domains.owner import publish_records
from tests.gateways.resend.conftest import BASE

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sdk")]
NOW = datetime(2026, 1, 1, tzinfo=UTC)
UNKNOWN = "01890a5d-ac96-774b-bcce-b302099a8057"


@pytest.fixture
def domain(zone):
    return resend.Domains.create({"name": "Good.test", "region": "eu-west-1"})


def test_a_domain_is_added_with_its_records(domain):
    assert (domain["object"], domain["name"], domain["status"]) == ("domain", "good.test", "not_started")
    kinds = {record["record"] for record in domain["records"]}
    assert kinds == {"Ownership", "DKIM", "SPF", "Tracking", "DMARC"}
    for record in domain["records"]:
        assert set(record) == {"record", "name", "type", "ttl", "status", "value"}
        assert record["status"] == "not_started"
    assert Domain.objects.get(pk=domain["id"]).status == DomainStatus.PENDING


def test_a_published_domain_is_verified(zone, domain):
    publish_records(zone, Domain.objects.get(pk=domain["id"]))
    checked = resend.Domains.verify(domain["id"])
    assert (checked["id"], checked["status"]) == (domain["id"], "verified")
    assert {record["status"] for record in checked["records"]} == {"verified"}
    assert resend.Domains.get(domain["id"])["status"] == "verified"


def test_a_domain_without_records_is_pending_after_a_check(domain):
    checked = resend.Domains.verify(domain["id"])
    assert checked["status"] == "pending"
    assert {record["status"] for record in checked["records"]} == {"pending"}


@pytest.mark.parametrize(("ours", "theirs"), [("warning", "temporary_failure"), ("suspended", "failed")])
def test_a_failing_domain_has_resends_status(domain, ours, theirs):
    Domain.objects.filter(pk=domain["id"]).update(status=ours, verified_at=NOW, failing_since=NOW)
    assert resend.Domains.get(domain["id"])["status"] == theirs


def test_domains_are_listed_and_removed(domain):
    other = resend.Domains.create({"name": "other.test"})
    page = resend.Domains.list({"limit": 1})
    assert ([row["id"] for row in page["data"]], page["has_more"]) == ([other["id"]], True)
    assert resend.Domains.remove(other["id"])["deleted"] is True
    assert [row["name"] for row in resend.Domains.list()["data"]] == ["good.test"]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, "name: "),
        ({"name": "no domain"}, "name: "),
        ({"name": "a.test", "owner": "x"}, "owner: Unknown field"),
        ({"name": 7}, "name: "),
    ],
)
def test_a_wrong_domain_is_refused(sdk, body, named):
    with pytest.raises(ResendError) as raised:
        resend.Domains.create(body)
    assert raised.value.code == 422
    assert raised.value.message.startswith(named)
    assert not Domain.objects.exists()


def test_a_domain_is_added_once(domain):
    with pytest.raises(resend.exceptions.ValidationError, match="already"):
        resend.Domains.create({"name": "good.test"})


def test_anothers_domain_does_not_exist(domain, other_api, use_sdk):
    use_sdk(other_api)
    for call in (resend.Domains.get, resend.Domains.verify, resend.Domains.remove):
        for pk in (domain["id"], UNKNOWN):
            with pytest.raises(ResendError) as raised:
                call(pk)
            assert (raised.value.code, raised.value.error_type) == (404, "not_found")
    assert resend.Domains.list()["data"] == []


def test_a_key_that_only_sends_is_restricted(make_api):
    answer = make_api(scopes=[scopes.EMAILS_SEND]).get(f"{BASE}/domains")
    assert (answer.status_code, answer.json()["name"]) == (401, "restricted_api_key")


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"open_tracking": True}, "open_tracking: Opens are tracked for each email"),
        ({"click_tracking": True}, "track_clicks"),
        ({"tls": "enforced"}, "tls"),
        ({"tracking_subdomain": "links"}, "tracking_subdomain"),
        ({"capabilities": {"receiving": "enabled"}}, "capabilities"),
    ],
)
def test_settings_of_a_domain_are_refused_by_name(api, domain, fields, named):
    for answer in (
        api.patch(f"{BASE}/domains/{domain['id']}", fields),
        api.post(f"{BASE}/domains", {"name": "other.example", **fields}),
    ):
        assert (answer.status_code, answer.json()["name"]) == (422, "validation_error")
        assert named in answer.json()["message"]


def test_settings_that_hold_in_any_case_are_taken(sdk, domain):
    plain: Any = {"id": domain["id"], "open_tracking": False, "click_tracking": False, "tls": "opportunistic"}
    assert resend.Domains.update(plain)["id"] == domain["id"]
