"""DKIM keys during rotation, and a process's cache of them."""

from datetime import timedelta

import dkim
import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from accounts.services import create_project
from delivery.dkim.signing import sign_all
from delivery.dns import RecordType
from domains import signing_identities as identities_module
from domains.dkim_keys import Algorithm, rotate_dkim
from domains.dns.records import RecordPurpose
from domains.dns.resolver import default_resolver
from domains.domain_status import DomainStatus
from domains.models import DkimKey, Domain
from domains.published_records import KEEP_RETIRED, shown_records
from domains.services import add_domain, remove_domain
from domains.signing_identities import Identities, LruCache, identities
from domains.verification import verify_domain
from tests.domains.dns_server import DnsServer
from tests.domains.owner import publish_records, remove_records

pytestmark = pytest.mark.django_db


@pytest.fixture
def domain(zone: DnsServer) -> Domain:
    """Verified, with one RSA key that signs."""
    domain = add_domain(create_project(name="acme"), name="good.test")
    publish_records(zone, domain)
    return verify_domain(domain)


def signing(domain: Domain) -> list[str]:
    identity = Identities().of(domain.pk)
    return [signer.selector for signer in identity.signers]


def dkim_names(domain: Domain) -> list[str]:
    fresh = Domain.objects.get(pk=domain.pk)
    return [shown.record.name for shown in shown_records(fresh) if shown.record.purpose is RecordPurpose.DKIM]


def test_a_new_key_signs_only_once_its_record_is_seen(zone, domain):
    old = domain.dkim_keys.get()
    (new,) = rotate_dkim(domain)
    assert new.selector != old.selector
    assert dkim_names(domain) == [old.record_name, new.record_name]
    assert verify_domain(domain).status == DomainStatus.VERIFIED
    assert signing(domain) == [old.selector]
    publish_records(zone, domain)
    verify_domain(domain)
    assert signing(domain) == [new.selector]


def test_the_old_key_stays_published_for_a_while_and_is_then_forgotten(zone, domain):
    old = domain.dkim_keys.get()
    rotate_dkim(domain)
    publish_records(zone, domain)
    verify_domain(domain)
    assert old.record_name in dkim_names(domain)
    advice = next(each.advice for each in shown_records(domain) if each.record.name == old.record_name)
    assert "Keep this record until" in advice
    DkimKey.objects.filter(pk=old.pk).update(
        activated_at=timezone.now() - KEEP_RETIRED * 2, retired_at=timezone.now() - KEEP_RETIRED - timedelta(minutes=1)
    )
    verify_domain(domain)
    assert not DkimKey.objects.filter(pk=old.pk).exists()
    assert old.record_name not in dkim_names(domain)
    assert not domain.record_checks.filter(name=old.record_name).exists()


def test_replacing_the_record_at_once_loses_nothing(zone, domain):
    remove_records(zone, domain, RecordPurpose.DKIM)
    (new,) = rotate_dkim(domain)
    zone.put(new.record_name, "TXT", new.public_record)
    assert verify_domain(domain).status == DomainStatus.VERIFIED
    assert signing(domain) == [new.selector]
    assert not domain.project.notices.filter(kind="domain_record_missing").exists()


def test_rotating_again_before_the_record_is_seen_gives_the_same_key(domain):
    assert rotate_dkim(domain) == rotate_dkim(domain)
    assert domain.dkim_keys.count() == 2


def test_ed25519_is_added_beside_rsa_and_both_sign(zone, domain):
    (new,) = rotate_dkim(domain, [Algorithm.ED25519])
    assert new.algorithm == Algorithm.ED25519
    assert "k=ed25519" in new.public_record
    publish_records(zone, domain)
    verify_domain(domain)
    assert len(signing(domain)) == 2
    assert {key.algorithm for key in rotate_dkim(domain)} == set(Algorithm)


def test_a_lost_ed25519_record_is_reported_and_keeps_the_domain_verified(zone, domain):
    (new,) = rotate_dkim(domain, [Algorithm.ED25519])
    publish_records(zone, domain)
    verify_domain(domain)
    zone.drop(new.record_name, "TXT")
    assert verify_domain(domain).status == DomainStatus.VERIFIED
    assert new.record_name in domain.project.notices.get(kind="domain_record_missing").text


def test_ed25519_alone_does_not_verify_a_domain(zone):
    domain = add_domain(create_project(name="modern"), name="new.test", algorithms=[Algorithm.ED25519])
    assert set(domain.dkim_keys.values_list("algorithm", flat=True)) == set(Algorithm)
    publish_records(zone, domain)
    zone.drop(domain.dkim_keys.get(algorithm=Algorithm.RSA).record_name, "TXT")
    assert verify_domain(domain).status == DomainStatus.PENDING


def test_the_database_admits_one_key_that_signs_and_one_that_waits(domain):
    key = domain.dkim_keys.get()
    for fields in ({"activated_at": timezone.now()}, {"retired_at": timezone.now()}):
        with pytest.raises(IntegrityError), transaction.atomic():
            domain.dkim_keys.create(
                selector=f"x{len(fields)}", algorithm=key.algorithm, private_key="-", public_record="-", **fields
            )


def test_an_identitys_signature_verifies_against_the_published_record(domain):
    message = b"From: a@good.test\r\nTo: b@example.com\r\nSubject: hello\r\n\r\nbody\r\n"
    signed = sign_all(message, Identities().of(domain.pk).signers) + message

    def ask(name: bytes, timeout: float = 5) -> bytes:
        return default_resolver().look_up(name.decode().rstrip("."), RecordType.TXT).values[0].encode()

    assert dkim.verify(signed, dnsfunc=ask)
    assert not dkim.verify(signed.replace(b"body", b"BODY"), dnsfunc=ask)


# What a process keeps


def test_an_identity_names_only_the_hosts_whose_records_stand(zone, domain):
    identity = Identities().of(domain.pk)
    assert (identity.domain, identity.return_path_host, identity.tracking_host) == (
        "good.test",
        "bounce.good.test",
        "link.good.test",
    )
    remove_records(zone, domain, RecordPurpose.TRACKING)
    verify_domain(domain)
    identity = Identities().of(domain.pk)
    assert (identity.return_path_host, identity.tracking_host) == ("bounce.good.test", None)


def test_an_identity_is_read_once_and_its_keys_stay_loaded(domain, django_assert_num_queries):
    kept = Identities()
    first = kept.of(domain.pk)
    with django_assert_num_queries(0):
        assert kept.of(domain.pk) is first
    kept.forget(domain.pk)
    assert kept.of(domain.pk).signers[0] is first.signers[0]


def test_an_identity_is_read_anew_when_it_is_no_longer_fresh(zone, domain, monkeypatch):
    kept = Identities()
    (new,) = rotate_dkim(domain)
    assert [signer.selector for signer in kept.of(domain.pk).signers] != [new.selector]
    publish_records(zone, domain)
    verify_domain(domain)
    monkeypatch.setattr(identities_module, "FRESH", timedelta(0))
    assert [signer.selector for signer in kept.of(domain.pk).signers] == [new.selector]


def test_a_removed_domain_has_no_identity(domain):
    kept = Identities()
    domain_id = domain.pk
    assert kept.of(domain_id) is not None
    remove_domain(domain)
    kept.forget(domain_id)
    assert kept.of(domain_id) is None


def test_this_process_signs_nothing_for_a_domain_that_it_removed(domain):
    domain_id = domain.pk
    assert identities.of(domain_id) is not None
    remove_domain(domain)
    assert identities.of(domain_id) is None


def test_the_cache_drops_the_least_recently_used_version():
    shelf: LruCache[str] = LruCache(2)
    shelf.put("a", "A")
    shelf.put("b", "B")
    assert shelf.get("a") == "A"
    shelf.put("c", "C")
    assert (shelf.get("a"), shelf.get("b"), shelf.get("c")) == ("A", None, "C")


def test_a_dump_of_the_database_holds_no_private_key(domain):
    private = str(domain.dkim_keys.get().private_key)
    domain.dkim_keys.update(private_key=private)
    body = private.split("-----")[2].split()[1] if "-----" in private else private
    with connection.cursor() as cursor:
        cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
        tables = [name for (name,) in cursor.fetchall()]
        dump = ""
        for table in tables:
            cursor.execute(f'SELECT t::text FROM "{table}" t')
            dump += "".join(row for (row,) in cursor.fetchall())
    assert domain.dkim_keys.get().public_record in dump
    assert body not in dump
    assert "PRIVATE" not in dump
    assert "PRIVATE" not in repr(domain.dkim_keys.get().private_key)
