"""Each record's state and advice, through the real adapter and a DNS server on loopback."""

from collections.abc import Iterator
from datetime import timedelta

import dns.rcode
import pytest

from delivery.dns import RecordType
from domains.dns.checks import CheckedRecord, check_records
from domains.dns.records import RecordPurpose, Zone, expected_records
from domains.dns.resolver import DnsResolver
from domains.dns.verdicts import RecordStatus, RecordVerdict
from tests.domains.dns_server import DnsServer, run_dns_server

KEY = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A" + "MIIBCgKCAQEA" * 28
DKIM = f"v=DKIM1; k=rsa; p={KEY}"
OWNERSHIP = "emailsvc-verification=t0ken"
HOST = "mail.service.test"
NAMES = {
    RecordPurpose.OWNERSHIP: "_emailsvc.good.test",
    RecordPurpose.DKIM: "es1._domainkey.good.test",
    RecordPurpose.RETURN_PATH: "bounce.good.test",
    RecordPurpose.TRACKING: "link.good.test",
    RecordPurpose.DMARC: "_dmarc.good.test",
}


@pytest.fixture(scope="module")
def running() -> Iterator[DnsServer]:
    with run_dns_server() as server:
        yield server


@pytest.fixture
def zone(running: DnsServer) -> DnsServer:
    running.clear()
    running.put("good.test", "A", "192.0.2.80")
    running.put(HOST, "A", "192.0.2.25")
    running.put(HOST, "TXT", "v=spf1 a -all")
    return running


def check_all(server: DnsServer, domain: str = "good.test", host: str = HOST) -> list[CheckedRecord]:
    records = expected_records(Zone(domain=domain, ownership_token="t0ken", dkim=[("es1", DKIM)], host=host))
    return check_records(records, DnsResolver([server.address], look_up_time=timedelta(seconds=0.3)))


def verdict(server: DnsServer, purpose: RecordPurpose, **kwargs: str) -> RecordVerdict:
    return next(check.verdict for check in check_all(server, **kwargs) if check.record.purpose is purpose)


def publish_all(server: DnsServer) -> None:
    server.put(NAMES[RecordPurpose.OWNERSHIP], "TXT", OWNERSHIP)
    server.put(NAMES[RecordPurpose.DKIM], "TXT", DKIM)
    server.put(NAMES[RecordPurpose.RETURN_PATH], "CNAME", HOST + ".")
    server.put(NAMES[RecordPurpose.TRACKING], "CNAME", HOST + ".")
    server.put(NAMES[RecordPurpose.DMARC], "TXT", "v=DMARC1; p=reject; rua=mailto:d@good.test")


def test_the_records_are_named_below_the_domain_and_shown_in_order():
    records = expected_records(Zone(domain="good.test", ownership_token="t0ken", dkim=[("es1", DKIM)], host=HOST))
    assert [(record.purpose, record.type, record.name, record.value) for record in records] == [
        ("ownership", "TXT", "_emailsvc.good.test", OWNERSHIP),
        ("dkim", "TXT", "es1._domainkey.good.test", DKIM),
        ("return_path", "CNAME", "bounce.good.test", HOST),
        ("tracking", "CNAME", "link.good.test", HOST),
        ("dmarc", "TXT", "_dmarc.good.test", "v=DMARC1; p=none"),
    ]


@pytest.mark.parametrize(
    ("host", "record_type"), [("192.0.2.25", RecordType.A), ("2001:db8::25", RecordType.AAAA), (HOST, RecordType.CNAME)]
)
def test_a_service_without_a_name_is_reached_by_its_address(host, record_type):
    records = expected_records(Zone(domain="good.test", ownership_token="t", dkim=[], host=host))
    assert {(record.type, record.value) for record in records[1:3]} == {(record_type, host)}


def test_records_published_as_shown_are_ok_and_need_no_advice(zone):
    publish_all(zone)
    assert {(check.verdict.status, check.verdict.advice) for check in check_all(zone)} == {(RecordStatus.OK, "")}


def test_missing_records_are_reported_with_the_consequences(zone):
    verdicts = {check.record.purpose: check.verdict for check in check_all(zone)}
    assert {each.status for each in verdicts.values()} == {RecordStatus.MISSING}
    assert {each.found for each in verdicts.values()} == {()}
    assert "cannot send mail" in verdicts[RecordPurpose.OWNERSHIP].advice
    assert "does not sign mail" in verdicts[RecordPurpose.DKIM].advice
    assert "bounces" in verdicts[RecordPurpose.RETURN_PATH].advice
    assert "is optional" in verdicts[RecordPurpose.DMARC].advice


def test_a_domain_that_does_not_exist_misses_everything(zone):
    zone.clear()
    zone.put(HOST, "A", "192.0.2.25")
    assert {check.verdict.status for check in check_all(zone)} == {RecordStatus.MISSING}


@pytest.mark.parametrize("purpose", list(RecordPurpose))
def test_a_dns_server_failure_gives_no_verdict(zone, purpose):
    publish_all(zone)
    zone.rcodes[NAMES[purpose]] = dns.rcode.SERVFAIL
    found = verdict(zone, purpose)
    assert found.status is RecordStatus.UNKNOWN
    assert "failure" in found.advice


@pytest.mark.parametrize("purpose", list(RecordPurpose))
def test_a_dns_timeout_gives_no_verdict(zone, purpose):
    publish_all(zone)
    zone.silent.add(NAMES[purpose])
    found = verdict(zone, purpose)
    assert found.status is RecordStatus.UNKNOWN
    assert "in time" in found.advice


@pytest.mark.parametrize("purpose", [RecordPurpose.OWNERSHIP, RecordPurpose.DKIM])
def test_a_txt_record_behind_aliases_counts(zone, purpose):
    publish_all(zone)
    values = zone.zone.pop((NAMES[purpose], "TXT"))
    zone.put(NAMES[purpose], "CNAME", "one.agency.test.")
    zone.put("one.agency.test", "CNAME", "two.agency.test.")
    zone.put("two.agency.test", "TXT", *values)
    assert verdict(zone, purpose).status is RecordStatus.OK


def test_an_alias_to_nothing_is_missing_and_names_the_target(zone):
    zone.put(NAMES[RecordPurpose.DKIM], "CNAME", "gone.test.")
    found = verdict(zone, RecordPurpose.DKIM)
    assert (found.status, found.found) == (RecordStatus.MISSING, ("CNAME gone.test",))
    assert "alias of gone.test" in found.advice


@pytest.mark.parametrize(
    "purpose", [RecordPurpose.OWNERSHIP, RecordPurpose.DKIM, RecordPurpose.RETURN_PATH, RecordPurpose.TRACKING]
)
def test_aliases_in_a_circle_are_wrong(zone, purpose):
    zone.put(NAMES[purpose], "CNAME", "round.test.")
    zone.put("round.test", "CNAME", NAMES[purpose] + ".")
    found = verdict(zone, purpose)
    assert found.status is RecordStatus.WRONG
    assert "forms a loop" in found.advice


@pytest.mark.parametrize(
    "purpose", [RecordPurpose.OWNERSHIP, RecordPurpose.DKIM, RecordPurpose.TRACKING, RecordPurpose.DMARC]
)
def test_a_record_at_the_doubled_name_is_missing_and_the_advice_gives_the_name_to_enter(zone, purpose):
    publish_all(zone)
    for key in [key for key in zone.zone if key[0] == NAMES[purpose]]:
        zone.zone[key[0] + ".good.test", key[1]] = zone.zone.pop(key)
    found = verdict(zone, purpose)
    assert found.status is RecordStatus.MISSING
    assert f"Enter the name {NAMES[purpose].removesuffix('.good.test')}." in found.advice


def test_a_record_doubled_with_the_zone_above_is_recognised_too(zone):
    zone.put("_emailsvc.news.good.test.good.test", "TXT", OWNERSHIP)
    found = verdict(zone, RecordPurpose.OWNERSHIP, domain="news.good.test")
    assert "Enter the name _emailsvc.news." in found.advice


# Ownership


def test_ownership_is_proven_beside_the_tokens_of_other_projects(zone):
    zone.put(NAMES[RecordPurpose.OWNERSHIP], "TXT", "emailsvc-verification=other", OWNERSHIP, "unrelated")
    assert verdict(zone, RecordPurpose.OWNERSHIP).status is RecordStatus.OK


@pytest.mark.parametrize(
    "values",
    [
        ["emailsvc-verification=other"],
        ["emailsvc-verification=t0ke"],
        ["emailsvc-verification=T0KEN"],
        ["t0ken"],
        ["xemailsvc-verification=t0ken"],
        ["emailsvc-verification=t0kenx"],
        ["emailsvc-verification=", "t0ken"],
        [""],
    ],
)
def test_any_other_value_proves_nothing(zone, values):
    zone.put(NAMES[RecordPurpose.OWNERSHIP], "TXT", *values)
    found = verdict(zone, RecordPurpose.OWNERSHIP)
    assert found.status is RecordStatus.WRONG
    assert sorted(found.found) == sorted(values)


def test_a_token_split_into_strings_is_joined(zone):
    zone.put(NAMES[RecordPurpose.OWNERSHIP], "TXT", '"emailsvc-verifi" "cation=t0ken"')
    assert verdict(zone, RecordPurpose.OWNERSHIP).status is RecordStatus.OK


def test_quotation_marks_in_the_token_are_named(zone):
    zone.put(NAMES[RecordPurpose.OWNERSHIP], "TXT", '"\\"emailsvc-verification=t0ken\\""')
    assert "quotation marks" in verdict(zone, RecordPurpose.OWNERSHIP).advice


# DKIM


@pytest.mark.parametrize(
    "value",
    [
        DKIM,
        f"v=DKIM1;k=rsa;p={KEY}",
        f"v=DKIM1; p={KEY}",
        f"p={KEY}; k=rsa",
        f"v=DKIM1; h=sha1:sha256; s=email; n=a note; k=rsa; p={KEY};",
        f"v=DKIM1; k=rsa; p={KEY[:100]} {KEY[100:]}",
        f'"v=DKIM1; k=rsa; p={KEY[:150]}" "{KEY[150:]}"',
    ],
)
def test_a_key_record_serves_however_it_is_written(zone, value):
    zone.put(NAMES[RecordPurpose.DKIM], "TXT", value)
    assert verdict(zone, RecordPurpose.DKIM).status is RecordStatus.OK


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        (f"v=DKIM1; k=rsa; p={KEY[:-1]}B", "different key"),
        (f"v=DKIM1; k=rsa; p={KEY}A", "different key"),
        (f"v=DKIM1; k=rsa; p={KEY[:219]}", "truncated"),
        ("v=DKIM1; k=rsa; p=", "revoked"),
        (f"v=DKIM1; k=ed25519; p={KEY}", "k="),
        (f"v=DKIM2; k=rsa; p={KEY}", "v=DKIM1"),
        (f"k=rsa; v=DKIM1; p={KEY}", "v=DKIM1"),
        (f"v=DKIM1; h=sha1; p={KEY}", "h="),
        (f"v=DKIM1; s=tlsrpt; p={KEY}", "s="),
        (f'"v=DKIM1\\\\; k=rsa\\\\; p={KEY[:150]}" "{KEY[150:]}"', "backslashes"),
        (f'"\\"v=DKIM1; k=rsa; p={KEY[:150]}" "{KEY[150:]}\\""', "quotation marks"),
        ("v=spf1 -all", "not a DKIM key record"),
        ("", "not a DKIM key record"),
    ],
)
def test_a_key_record_that_does_not_serve_is_wrong_and_the_advice_names_why(zone, value, advice):
    zone.put(NAMES[RecordPurpose.DKIM], "TXT", value)
    found = verdict(zone, RecordPurpose.DKIM)
    assert found.status is RecordStatus.WRONG
    assert advice in found.advice


def test_the_right_key_beside_another_record_is_several(zone):
    zone.put(NAMES[RecordPurpose.DKIM], "TXT", DKIM, "v=DKIM1; p=QUJD")
    assert verdict(zone, RecordPurpose.DKIM).status is RecordStatus.SEVERAL


def test_several_records_without_the_right_key_are_wrong(zone):
    zone.put(NAMES[RecordPurpose.DKIM], "TXT", "v=DKIM1; p=QUJD", "v=DKIM1; p=REVG")
    assert verdict(zone, RecordPurpose.DKIM).status is RecordStatus.WRONG


def test_a_key_in_testing_serves_with_a_warning(zone):
    zone.put(NAMES[RecordPurpose.DKIM], "TXT", f"v=DKIM1; t=y:s; p={KEY}")
    found = verdict(zone, RecordPurpose.DKIM)
    assert found.status is RecordStatus.OK
    assert "t=y" in found.advice


# Return path and tracking host


def test_a_chain_of_aliases_to_this_service_counts(zone):
    zone.put(NAMES[RecordPurpose.TRACKING], "CNAME", "click.agency.test.")
    zone.put("click.agency.test", "CNAME", HOST.upper() + ".")
    found = verdict(zone, RecordPurpose.TRACKING)
    assert (found.status, found.found) == (RecordStatus.OK, ("click.agency.test",))


def test_an_alias_to_another_host_is_wrong(zone):
    zone.put(NAMES[RecordPurpose.TRACKING], "CNAME", "evil.test.")
    found = verdict(zone, RecordPurpose.TRACKING)
    assert (found.status, found.found) == (RecordStatus.WRONG, ("evil.test",))
    assert f"Change it to {HOST}." in found.advice


def test_a_target_with_the_domain_added_is_wrong_and_the_advice_asks_for_the_final_dot(zone):
    zone.put(NAMES[RecordPurpose.TRACKING], "CNAME", f"{HOST}.good.test.")
    assert "final dot" in verdict(zone, RecordPurpose.TRACKING).advice


def test_equal_addresses_in_place_of_an_alias_count(zone):
    zone.put(NAMES[RecordPurpose.TRACKING], "A", "192.0.2.25")
    assert verdict(zone, RecordPurpose.TRACKING).status is RecordStatus.OK


def test_other_addresses_in_place_of_an_alias_are_wrong(zone):
    zone.put(NAMES[RecordPurpose.TRACKING], "A", "192.0.2.25", "192.0.2.66")
    found = verdict(zone, RecordPurpose.TRACKING)
    assert (found.status, found.found) == (RecordStatus.WRONG, ("192.0.2.25", "192.0.2.66"))
    assert "proxy" in found.advice


def test_equal_addresses_that_cannot_be_compared_are_no_verdict(zone):
    zone.put(NAMES[RecordPurpose.TRACKING], "A", "192.0.2.25")
    zone.rcodes[HOST] = dns.rcode.SERVFAIL
    assert verdict(zone, RecordPurpose.TRACKING).status is RecordStatus.UNKNOWN


def test_another_record_type_at_the_name_is_missing(zone):
    zone.put(NAMES[RecordPurpose.TRACKING], "TXT", "hello")
    assert verdict(zone, RecordPurpose.TRACKING).status is RecordStatus.MISSING


@pytest.mark.parametrize("policies", [[], ["v=spf1 a -all", "v=spf1 mx -all"]])
def test_a_return_path_is_right_although_the_service_lacks_its_spf_and_the_advice_says_so(zone, policies):
    publish_all(zone)
    zone.put(HOST, "TXT", "something else", *policies)
    found = verdict(zone, RecordPurpose.RETURN_PATH)
    assert found.status is RecordStatus.OK
    assert "The operator of this service" in found.advice


@pytest.mark.parametrize(
    ("addresses", "status"),
    [
        (["192.0.2.25"], RecordStatus.OK),
        (["192.0.2.66"], RecordStatus.WRONG),
        (["192.0.2.25", "192.0.2.66"], RecordStatus.SEVERAL),
    ],
)
def test_a_service_known_by_its_address_is_compared_by_address(zone, addresses, status):
    zone.put(NAMES[RecordPurpose.TRACKING], "A", *addresses)
    assert verdict(zone, RecordPurpose.TRACKING, host="192.0.2.25").status is status


def test_the_service_own_name_needs_no_alias_to_itself(zone):
    found = verdict(zone, RecordPurpose.TRACKING, host="link.good.test")
    assert found.status is RecordStatus.OK
    assert "No record is needed" in found.advice


# DMARC


@pytest.mark.parametrize("policy", ["v=DMARC1; p=none", "v=DMARC1;p=Reject;", "v=DMARC1; p=quarantine; sp=none"])
def test_any_valid_policy_will_do(zone, policy):
    zone.put(NAMES[RecordPurpose.DMARC], "TXT", policy, "unrelated")
    assert verdict(zone, RecordPurpose.DMARC) == RecordVerdict(status=RecordStatus.OK, found=(policy,))


@pytest.mark.parametrize(
    ("values", "status"),
    [
        (["v=DMARC1"], RecordStatus.WRONG),
        (["v=DMARC1; p=maybe"], RecordStatus.WRONG),
        (["p=none"], RecordStatus.WRONG),
        (["v=DMARC1; p=none", "v=DMARC1; p=reject"], RecordStatus.SEVERAL),
    ],
)
def test_a_void_policy_is_reported(zone, values, status):
    zone.put(NAMES[RecordPurpose.DMARC], "TXT", *values)
    assert verdict(zone, RecordPurpose.DMARC).status is status


def test_a_policy_above_covers_a_domain_below(zone):
    zone.put("_dmarc.good.test", "TXT", "v=DMARC1; p=reject")
    found = verdict(zone, RecordPurpose.DMARC, domain="news.shop.good.test")
    assert found.status is RecordStatus.OK
    assert "_dmarc.good.test covers" in found.advice
