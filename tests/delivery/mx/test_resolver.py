"""The DNS adapter of direct delivery, against a real server on loopback."""

from collections.abc import Iterator
from ipaddress import ip_address

import dns.rcode
import pytest

from delivery.dns import MxRecord
from delivery.mx.resolver import DnsMxResolver, NoAnswerError, NoNameError
from tests.domains.dns_server import DnsServer, run_dns_server


@pytest.fixture
def server() -> Iterator[DnsServer]:
    with run_dns_server() as server:
        yield server


@pytest.fixture
def resolver(server: DnsServer) -> DnsMxResolver:
    return DnsMxResolver([("127.0.0.1", server.port)], seconds=1.0)


def test_exchangers_addresses_and_texts_are_found(server: DnsServer, resolver: DnsMxResolver) -> None:
    server.put("x.test", "MX", "10 MX1.x.test.", "0 .")
    server.put("mx1.x.test", "A", "192.0.2.1")
    server.put("mx1.x.test", "AAAA", "2001:db8::1")
    server.put("_mta-sts.x.test", "TXT", "v=STSv1; id=1;")
    assert sorted(resolver.find_mx("x.test")) == [MxRecord(0, ""), MxRecord(10, "mx1.x.test")]
    assert resolver.find_addresses("mx1.x.test") == [ip_address("2001:db8::1"), ip_address("192.0.2.1")]
    assert resolver.find_texts("_mta-sts.x.test") == ["v=STSv1; id=1;"]


def test_answers_are_kept_as_long_as_they_say(server: DnsServer, resolver: DnsMxResolver) -> None:
    server.put("x.test", "MX", "10 mx1.x.test.")
    for _ in range(3):
        resolver.find_mx("x.test")
    assert server.asked.count(("x.test", "MX")) == 1


def test_a_second_opinion_comes_from_the_dns_and_not_from_what_was_kept(server: DnsServer) -> None:
    resolver = DnsMxResolver([("127.0.0.1", server.port)], seconds=1.0, pause=0.0)
    with pytest.raises(NoNameError):
        resolver.find_mx("x.test")
    server.put("x.test", "MX", "10 mx1.x.test.")
    with pytest.raises(NoNameError):
        resolver.find_mx("x.test")
    assert resolver.ask_anew().find_mx("x.test") == [MxRecord(10, "mx1.x.test")]


def test_no_name_no_data_and_no_answer_are_told_apart(server: DnsServer, resolver: DnsMxResolver) -> None:
    server.put("x.test", "A", "192.0.2.1")
    server.rcodes["broken.test"] = dns.rcode.SERVFAIL
    server.silent.add("silent.test")
    assert resolver.find_mx("x.test") == []
    with pytest.raises(NoNameError):
        resolver.find_mx("nothing.test")
    for name, words in (("broken.test", "the DNS failed: NoNameservers"), ("silent.test", "did not answer in time")):
        with pytest.raises(NoAnswerError, match=words):
            resolver.find_mx(name)
        with pytest.raises(NoAnswerError):
            resolver.find_addresses(name)
