"""The adapter on dnspython, against a real server on loopback."""

import time
from collections.abc import Iterator
from ipaddress import ip_address

import dns.rcode
import pytest

from delivery.dns import DnsClient, DnsReply, DnsValue, LookUpStatus, MxRecord, RecordType, parse_name_server
from tests.domains.dns_server import DnsServer, run_dns_server


@pytest.fixture
def server() -> Iterator[DnsServer]:
    with run_dns_server() as server:
        yield server


def make_client(server: DnsServer, *, seconds: float = 1.0, cache_size: int = 0) -> DnsClient:
    return DnsClient([("127.0.0.1", server.port)], seconds=seconds, try_seconds=1.0, cache_size=cache_size)


@pytest.mark.parametrize(
    ("record_type", "written", "values"),
    [
        (RecordType.MX, ["10 MX1.x.test."], (MxRecord(10, "mx1.x.test"),)),
        (RecordType.MX, ["0 ."], (MxRecord(0, ""),)),
        (RecordType.A, ["192.0.2.1"], (ip_address("192.0.2.1"),)),
        (RecordType.AAAA, ["2001:db8::1"], (ip_address("2001:db8::1"),)),
        (RecordType.CNAME, ["Other.test."], ("other.test",)),
        (RecordType.TXT, ['"one" "two\\233"'], (b"onetwo\xe9",)),
    ],
)
def test_each_type_has_values_of_its_own(
    server: DnsServer, record_type: RecordType, written: list[str], values: tuple[DnsValue, ...]
) -> None:
    server.put("x.test", record_type.value, *written)
    assert make_client(server).ask("x.test", record_type) == DnsReply(status=LookUpStatus.FOUND, values=values)


def test_the_aliases_on_the_way_are_told(server: DnsServer) -> None:
    server.put("x.test", "CNAME", "Y.test.")
    server.put("y.test", "CNAME", "z.test.")
    client = make_client(server)
    assert client.ask("x.test", RecordType.A) == DnsReply(status=LookUpStatus.NO_NAME, aliases=("y.test", "z.test"))
    server.put("z.test", "TXT", "text")
    assert client.ask("x.test", RecordType.A) == DnsReply(status=LookUpStatus.NO_DATA, aliases=("y.test", "z.test"))
    server.put("z.test", "A", "192.0.2.1")
    assert client.ask("x.test", RecordType.A).values == (ip_address("192.0.2.1"),)


def test_a_failure_names_the_fault(server: DnsServer) -> None:
    server.rcodes["broken.test"] = dns.rcode.SERVFAIL
    server.silent.add("silent.test")
    client = make_client(server, seconds=0.3)
    assert client.ask("broken.test", RecordType.A) == DnsReply(status=LookUpStatus.SERVFAIL, fault="NoNameservers")
    assert client.ask("silent.test", RecordType.A).status is LookUpStatus.TIMEOUT
    too_long = client.ask("x" * 64 + ".test", RecordType.A)
    assert too_long == DnsReply(status=LookUpStatus.SERVFAIL, fault="LabelTooLong")


@pytest.mark.parametrize(("cache_size", "count"), [(0, 3), (10, 1)])
def test_answers_are_kept_by_a_client_with_a_cache_alone(server: DnsServer, cache_size: int, count: int) -> None:
    server.put("x.test", "A", "192.0.2.1")
    client = make_client(server, cache_size=cache_size)
    for _ in range(3):
        client.ask("x.test", RecordType.A)
    assert server.asked.count(("x.test", "A")) == count


def test_a_question_may_have_less_time_than_its_client(server: DnsServer) -> None:
    server.silent.add("silent.test")
    client = make_client(server, seconds=60.0)
    began = time.monotonic()
    assert client.ask("silent.test", RecordType.A, 0.1).status is LookUpStatus.TIMEOUT
    assert time.monotonic() - began < 30
    server.asked.clear()
    assert client.ask("silent.test", RecordType.A, 0.0).status is LookUpStatus.TIMEOUT
    assert server.asked == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.1", ("192.0.2.1", 53)),
        ("127.0.0.1:5353", ("127.0.0.1", 5353)),
        ("::1", ("::1", 53)),
        ("[2001:db8::1]:5353", ("2001:db8::1", 5353)),
    ],
)
def test_a_name_server_may_carry_a_port(text: str, expected: tuple[str, int]) -> None:
    assert parse_name_server(text) == expected


@pytest.mark.parametrize("text", ["", "localhost", "dns.example:53", "192.0.2.1:dns", "192.0.2.1:", "1.2.3"])
def test_what_is_no_address_is_no_name_server(text: str) -> None:
    with pytest.raises(ValueError):
        parse_name_server(text)
