"""The life of a domain, against a DNS server on loopback."""

from datetime import timedelta

import dns.rcode
import pytest
from django.db import connections
from django.utils import timezone

from accounts.models import Notice, Project
from accounts.services import create_project
from common.errors import NotFoundError
from delivery.dns import LookUpStatus, RecordType
from domains.dns.records import RecordPurpose
from domains.dns.resolver import DnsResolver, DnsResult
from domains.dns.verdicts import RecordStatus
from domains.domain_status import SUSPEND_AFTER, DomainStatus
from domains.models import Domain, RecordCheck
from domains.published_records import records_of, shown_records
from domains.services import add_domain, remove_domain
from domains.verification import claim_due_domain, recheck_domains, verify_domain
from tests.domains.dns_server import DnsServer
from tests.domains.owner import publish_records, remove_records

pytestmark = pytest.mark.django_db


@pytest.fixture
def zone(zone: DnsServer) -> DnsServer:
    zone.put("mail.service.test", "TXT", "v=spf1 a -all")
    return zone


@pytest.fixture
def project() -> Project:
    return create_project(name="acme")


@pytest.fixture
def domain(project: Project) -> Domain:
    return add_domain(project, name="good.test")


def impatient(zone: DnsServer) -> DnsResolver:
    return DnsResolver([zone.address], look_up_time=timedelta(seconds=0.2))


def states(domain: Domain) -> dict[str, str]:
    return {shown.record.purpose.value: shown.status.value for shown in shown_records(reread(domain))}


def reread(domain: Domain) -> Domain:
    return Domain.objects.get(pk=domain.pk)


def notices(domain: Domain) -> list[str]:
    return list(domain.project.notices.order_by("id").values_list("kind", flat=True))


def make_due(domain: Domain) -> None:
    Domain.objects.filter(pk=domain.pk).update(next_check_at=timezone.now() - timedelta(seconds=1))


def make_old(domain: Domain, age: timedelta) -> None:
    """As if the domain had been failing for so long."""
    Domain.objects.filter(pk=domain.pk).update(failing_since=timezone.now() - age)
    make_due(domain)


def test_a_new_domain_is_pending_and_its_records_are_unknown(domain):
    assert domain.status == DomainStatus.PENDING
    assert set(states(domain).values()) == {"unknown"}
    assert {shown.advice for shown in shown_records(domain)} == {"Not checked yet."}


def test_a_domain_with_all_records_is_verified_and_its_key_signs(zone, domain):
    publish_records(zone, domain)
    checked = verify_domain(domain)
    assert checked.status == DomainStatus.VERIFIED
    assert checked.verified_at is not None
    assert set(states(domain).values()) == {"ok"}
    assert domain.dkim_keys.get().activated_at is not None
    assert notices(domain) == ["domain_verified"]


def test_a_domain_without_records_stays_pending_without_a_notice(zone, domain):
    checked = verify_domain(domain)
    assert (checked.status, checked.verified_at, checked.failing_since) == (DomainStatus.PENDING, None, None)
    assert set(states(domain).values()) == {"missing"}
    assert domain.dkim_keys.get().activated_at is None
    assert notices(domain) == []


@pytest.mark.parametrize("purpose", [RecordPurpose.OWNERSHIP, RecordPurpose.DKIM])
def test_the_proof_of_ownership_and_the_key_are_both_necessary(zone, domain, purpose):
    publish_records(zone, domain, without={purpose})
    assert verify_domain(domain).status == DomainStatus.PENDING


def test_return_path_tracking_and_policy_can_be_done_without(zone, domain):
    publish_records(zone, domain, without={RecordPurpose.RETURN_PATH, RecordPurpose.TRACKING, RecordPurpose.DMARC})
    assert verify_domain(domain).status == DomainStatus.VERIFIED


def test_of_two_projects_with_one_domain_only_that_whose_token_is_published_is_verified(zone, domain):
    other = add_domain(create_project(name="rival"), name="GOOD.test.")
    publish_records(zone, domain)
    assert verify_domain(domain).status == DomainStatus.VERIFIED
    assert verify_domain(other).status == DomainStatus.PENDING
    assert states(other)["ownership"] == "wrong"


def test_two_projects_may_both_prove_the_domain_and_their_keys_do_not_collide(zone, domain):
    other = add_domain(create_project(name="rival"), name="good.test")
    publish_records(zone, domain)
    publish_records(zone, other)
    assert verify_domain(domain).status == DomainStatus.VERIFIED
    assert verify_domain(other).status == DomainStatus.VERIFIED
    assert domain.dkim_keys.get().selector != other.dkim_keys.get().selector


@pytest.mark.parametrize("value", ["{}", "emailsvc-verification={}x", "emailsvc-verification= {}"])
def test_a_token_that_is_not_exactly_ours_proves_nothing(zone, domain, value):
    publish_records(zone, domain)
    zone.put("_emailsvc.good.test", "TXT", value.format(domain.ownership_token))
    assert verify_domain(domain).status == DomainStatus.PENDING


def test_a_proof_below_or_beside_the_domain_proves_nothing(zone, domain):
    publish_records(zone, domain, without={RecordPurpose.OWNERSHIP})
    proof = records_of(domain)[0].value
    for name in ("_emailsvc.sub.good.test", "_emailsvc.evilgood.test", "_emailsvc.test", "good.test"):
        zone.put(name, "TXT", proof)
    assert verify_domain(domain).status == DomainStatus.PENDING


def test_a_necessary_record_that_goes_missing_warns_once_and_mail_goes_on(zone, domain):
    publish_records(zone, domain)
    verify_domain(domain)
    remove_records(zone, domain, RecordPurpose.OWNERSHIP)
    for _ in range(2):
        checked = verify_domain(domain)
    assert checked.status == DomainStatus.WARNING
    assert checked.can_send
    assert notices(domain) == ["domain_verified", "domain_warning"]
    notice = Notice.objects.get(kind="domain_warning")
    assert "TXT _emailsvc.good.test is missing" in notice.text
    assert notice.data["records"] == [{"type": "TXT", "name": "_emailsvc.good.test", "status": "missing"}]


def test_after_the_stated_time_it_is_suspended_and_the_records_release_it(zone, domain):
    publish_records(zone, domain)
    verify_domain(domain)
    remove_records(zone, domain, RecordPurpose.DKIM)
    verify_domain(domain)
    make_old(domain, SUSPEND_AFTER - timedelta(hours=1))
    assert recheck_domains() == {"warning": 1}
    make_old(domain, SUSPEND_AFTER + timedelta(seconds=1))
    assert recheck_domains() == {"suspended": 1}
    assert not reread(domain).can_send
    publish_records(zone, domain)
    make_due(domain)
    assert recheck_domains() == {"verified": 1}
    assert reread(domain).failing_since is None
    assert notices(domain) == ["domain_verified", "domain_warning", "domain_suspended", "domain_restored"]


@pytest.mark.parametrize("failure", ["servfail", "timeout"])
@pytest.mark.parametrize("is_failing_already", [False, True])
def test_name_servers_that_fail_never_warn_and_never_suspend(zone, domain, failure, is_failing_already):
    publish_records(zone, domain)
    verify_domain(domain)
    names = [record.name for record in records_of(domain)]
    if is_failing_already:
        remove_records(zone, domain, RecordPurpose.OWNERSHIP)
        verify_domain(domain)
        make_old(domain, SUSPEND_AFTER * 10)
    before, known = reread(domain), states(domain)
    if failure == "timeout":
        zone.silent.update(names)
    else:
        zone.rcodes.update(dict.fromkeys(names, dns.rcode.SERVFAIL))
    for _ in range(2):
        verify_domain(domain, impatient(zone))
    after = reread(domain)
    assert (after.status, after.failing_since) == (before.status, before.failing_since)
    assert states(domain) == known
    assert "The previous status stays" in domain.record_checks.get(purpose="ownership").advice


def test_a_domain_never_seen_stays_unknown_while_name_servers_fail(zone, domain):
    zone.rcodes.update({record.name: dns.rcode.SERVFAIL for record in records_of(domain)})
    assert verify_domain(domain).status == DomainStatus.PENDING
    assert set(states(domain).values()) == {"unknown"}


def test_a_lost_optional_record_is_reported_once_without_a_warning(zone, domain):
    publish_records(zone, domain)
    verify_domain(domain)
    remove_records(zone, domain, RecordPurpose.RETURN_PATH)
    for _ in range(2):
        assert verify_domain(domain).status == DomainStatus.VERIFIED
    assert notices(domain) == ["domain_verified", "domain_record_missing"]
    assert "CNAME bounce.good.test is missing" in Notice.objects.get(kind="domain_record_missing").text


def test_a_change_of_the_public_host_makes_old_verdicts_void(zone, domain, settings):
    publish_records(zone, domain)
    verify_domain(domain)
    settings.PUBLIC_URL = "https://new.service.test"
    assert states(domain)["tracking"] == "unknown"
    assert states(domain)["ownership"] == "ok"
    verify_domain(domain)
    assert states(domain)["tracking"] == "wrong"


def test_hostile_answers_are_stored_in_part_only(zone, domain):
    zone.put("_emailsvc.good.test", "TXT", *(f"{number}\\000" + "x" * 200 for number in range(200)))
    verify_domain(domain)
    assert len(domain.record_checks.get(purpose="ownership").found) == 20


def test_each_due_domain_is_checked_once(zone, project, domain):
    later = add_domain(project, name="later.test")
    make_due(domain)
    assert recheck_domains() == {"pending": 1}
    assert recheck_domains() == {}
    assert reread(domain).next_check_at > timezone.now()
    assert reread(later).checked_at is None


def test_a_claimed_domain_is_not_claimed_again(domain):
    make_due(domain)
    claimed = claim_due_domain()
    assert claimed is not None
    assert claimed.pk == domain.pk
    assert claim_due_domain() is None


def test_rechecking_stops_when_its_time_is_used_up(zone, domain):
    make_due(domain)
    assert recheck_domains(budget=timedelta(0)) == {}


class EmptyResolver:
    """A DNS without any name."""

    def look_up(self, name: str, record_type: RecordType) -> DnsResult:
        return DnsResult(status=LookUpStatus.NO_NAME)


def test_a_domain_removed_while_it_is_checked_is_not_found(domain):
    gone = Domain.objects.get(pk=domain.pk)
    remove_domain(domain)
    with pytest.raises(NotFoundError):
        verify_domain(gone, EmptyResolver())
    assert RecordCheck.objects.count() == 0


def test_an_older_check_that_ends_later_changes_nothing(domain):
    Domain.objects.filter(pk=domain.pk).update(checked_at=timezone.now() + timedelta(seconds=5))
    assert verify_domain(domain, EmptyResolver()).status == DomainStatus.PENDING
    assert RecordCheck.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_no_transaction_is_open_while_the_network_is_asked(zone, domain):
    class Watching:
        in_transaction: list[bool] = []

        def look_up(self, name: str, record_type: RecordType) -> DnsResult:
            self.in_transaction.append(connections["default"].in_atomic_block)
            return DnsResult(status=LookUpStatus.NO_NAME)

    verify_domain(domain, Watching())
    assert Watching.in_transaction
    assert not any(Watching.in_transaction)


def test_checks_of_unknown_states_are_not_stored_as_verdicts(zone, domain):
    zone.rcodes["_emailsvc.good.test"] = dns.rcode.SERVFAIL
    verify_domain(domain)
    check = domain.record_checks.get(purpose="ownership")
    assert (check.status, check.checked_at) == (RecordStatus.UNKNOWN, None)
