from collections.abc import Iterator
from datetime import timedelta

import dns.rcode
import pytest
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured

from delivery.dns import LookUpStatus, RecordType
from domains.dns.resolver import MAX_ALIASES, DnsResolver, DnsResult, default_resolver
from tests.domains.dns_server import DnsServer, run_dns_server


@pytest.fixture(scope="module")
def running() -> Iterator[DnsServer]:
    with run_dns_server() as server:
        yield server


@pytest.fixture
def zone(running: DnsServer) -> DnsServer:
    running.clear()
    return running


@pytest.fixture
def resolver(zone: DnsServer) -> DnsResolver:
    return DnsResolver([zone.address], look_up_time=timedelta(seconds=0.5))


def test_a_txt_record_is_found(zone, resolver):
    zone.put("_emailsvc.good.test", "TXT", "token")
    assert resolver.look_up("_emailsvc.good.test", RecordType.TXT) == DnsResult(
        status=LookUpStatus.FOUND, values=("token",)
    )


def test_the_strings_of_one_txt_record_are_joined_without_a_space(zone, resolver):
    zone.put("k.test", "TXT", '"v=DKIM1; p=AB" "CD" "EF"')
    assert resolver.look_up("k.test", RecordType.TXT).values == ("v=DKIM1; p=ABCDEF",)


def test_several_txt_records_stay_apart(zone, resolver):
    zone.put("k.test", "TXT", "one", "two")
    assert sorted(resolver.look_up("k.test", RecordType.TXT).values) == ["one", "two"]


def test_a_record_too_long_for_udp_comes_by_tcp(zone, resolver):
    long = "v=DKIM1; p=" + "A" * 3000
    zone.put("k.test", "TXT", long)
    assert resolver.look_up("k.test", RecordType.TXT).values == (long,)
    assert zone.asked == [("k.test", "TXT")] * 2


@pytest.mark.parametrize(
    ("written", "shown"), [('"caf\\233"', "caf\\xe9"), ('"a\\000b"', "a\\x00b"), ('"a\\013\\010b"', "a\\x0d\\x0ab")]
)
def test_bytes_outside_utf_8_and_controls_are_shown_escaped(zone, resolver, written, shown):
    zone.put("k.test", "TXT", written)
    assert resolver.look_up("k.test", RecordType.TXT).values == (shown,)


def test_a_name_that_does_not_exist_gives_no_such_name(zone, resolver):
    assert resolver.look_up("absent.test", RecordType.TXT) == DnsResult(status=LookUpStatus.NO_NAME)


def test_a_name_without_this_type_is_no_data(zone, resolver):
    zone.put("good.test", "A", "192.0.2.1")
    assert resolver.look_up("good.test", RecordType.TXT) == DnsResult(status=LookUpStatus.NO_DATA)


@pytest.mark.parametrize("rcode", [dns.rcode.SERVFAIL, dns.rcode.REFUSED, dns.rcode.NOTIMP, dns.rcode.FORMERR])
def test_a_failing_server_says_nothing_about_the_record(zone, resolver, rcode):
    zone.rcodes["good.test"] = rcode
    answer = resolver.look_up("good.test", RecordType.TXT)
    assert answer == DnsResult(status=LookUpStatus.SERVFAIL)
    assert not answer.status.is_definite


def test_a_silent_server_is_a_timeout(zone, resolver):
    zone.silent.add("good.test")
    answer = resolver.look_up("good.test", RecordType.TXT)
    assert answer == DnsResult(status=LookUpStatus.TIMEOUT)
    assert not answer.status.is_definite


def test_a_port_without_a_listener_is_a_failure():
    with run_dns_server() as gone:
        pass
    resolver = DnsResolver([gone.address], look_up_time=timedelta(seconds=0.5))
    assert not resolver.look_up("good.test", RecordType.TXT).status.is_definite


@pytest.mark.parametrize("is_recursive", [True, False])
def test_aliases_are_followed_to_the_txt_record(zone, resolver, is_recursive):
    zone.is_recursive = is_recursive
    zone.put("k.good.test", "CNAME", "K.Other.test.")
    zone.put("k.other.test", "CNAME", "end.test.")
    zone.put("end.test", "TXT", "here")
    assert resolver.look_up("k.good.test", RecordType.TXT) == DnsResult(
        status=LookUpStatus.FOUND, values=("here",), aliases=("k.other.test", "end.test")
    )


@pytest.mark.parametrize("is_recursive", [True, False])
def test_an_alias_to_a_missing_name_gives_no_such_name_and_shows_the_alias(zone, resolver, is_recursive):
    zone.is_recursive = is_recursive
    zone.put("k.good.test", "CNAME", "gone.test.")
    assert resolver.look_up("k.good.test", RecordType.TXT) == DnsResult(
        status=LookUpStatus.NO_NAME, aliases=("gone.test",)
    )


@pytest.mark.parametrize("is_recursive", [True, False])
@pytest.mark.parametrize("record_type", [RecordType.TXT, RecordType.CNAME])
def test_aliases_in_a_circle_are_endless(zone, resolver, is_recursive, record_type):
    zone.is_recursive = is_recursive
    zone.put("a.test", "CNAME", "b.test.")
    zone.put("b.test", "CNAME", "a.test.")
    assert resolver.look_up("a.test", record_type).status is LookUpStatus.ENDLESS


@pytest.mark.parametrize("record_type", [RecordType.TXT, RecordType.CNAME])
def test_too_many_aliases_are_endless_and_asking_stops(zone, resolver, record_type):
    zone.is_recursive = False
    for number in range(50):
        zone.put(f"n{number}.test", "CNAME", f"n{number + 1}.test.")
    assert resolver.look_up("n0.test", record_type).status is LookUpStatus.ENDLESS
    assert len(zone.asked) <= MAX_ALIASES + 1


def test_a_cname_shows_its_target_and_the_whole_chain(zone, resolver):
    zone.put("link.good.test", "CNAME", "mail.agency.test.")
    zone.put("mail.agency.test", "CNAME", "service.test.")
    zone.put("service.test", "A", "192.0.2.1")
    assert resolver.look_up("link.good.test", RecordType.CNAME) == DnsResult(
        status=LookUpStatus.FOUND, values=("mail.agency.test",), aliases=("mail.agency.test", "service.test")
    )


def test_a_cname_that_points_to_a_name_that_does_not_exist_is_still_found(zone, resolver):
    zone.put("link.good.test", "CNAME", "gone.test.")
    assert resolver.look_up("link.good.test", RecordType.CNAME) == DnsResult(
        status=LookUpStatus.FOUND, values=("gone.test",), aliases=("gone.test",)
    )


def test_a_chain_that_ends_in_a_failure_shows_its_known_part(zone, resolver):
    zone.put("link.good.test", "CNAME", "middle.test.")
    zone.rcodes["middle.test"] = dns.rcode.SERVFAIL
    assert resolver.look_up("link.good.test", RecordType.CNAME) == DnsResult(
        status=LookUpStatus.SERVFAIL, values=("middle.test",), aliases=("middle.test",)
    )


def test_mail_exchangers_and_addresses_read_as_text(zone, resolver):
    zone.put("good.test", "MX", "10 MX.good.test.")
    zone.put("silent.test", "MX", "0 .")
    zone.put("good.test", "AAAA", "2001:db8::1")
    assert resolver.look_up("good.test", RecordType.MX).values == ("10 mx.good.test",)
    assert resolver.look_up("silent.test", RecordType.MX).values == ("0 .",)
    assert resolver.look_up("good.test", RecordType.AAAA).values == ("2001:db8::1",)


@pytest.mark.parametrize("written", ["", "dns.example", "192.0.2.1:dns", "192.0.2.1:", "1.2.3"])
def test_a_name_server_that_is_no_address_stops_the_start(settings, written):
    settings.DNS_SERVERS = ["192.0.2.1", written]
    with pytest.raises(ImproperlyConfigured, match="DNS_SERVERS"):
        apps.get_app_config("domains").ready()


def test_the_default_resolver_asks_the_servers_of_the_setting(zone, settings):
    zone.put("good.test", "TXT", "here")
    settings.DNS_SERVERS = [zone.address]
    assert default_resolver().look_up("good.test", RecordType.TXT).values == ("here",)
