"""The drills' name server gives its configured answers to the product's own resolver."""

from collections.abc import Iterator
from ipaddress import ip_address

import pytest

from delivery.dns import MxRecord, parse_name_server
from delivery.mx.resolver import DnsMxResolver, NoAnswerError, NoNameError
from drills.stand_ins.name_server import Names


@pytest.fixture
def names() -> Iterator[Names]:
    with Names() as server:
        server.start()
        yield server


@pytest.fixture
def resolver(names: Names) -> DnsMxResolver:
    return DnsMxResolver([parse_name_server(names.place)], seconds=5.0)


def test_what_was_told_is_answered(names, resolver):
    names.add("a.test", "MX", "10 mx.a.test.")
    names.add("a.test", "MX", "20 other.a.test.")
    names.tell("mx.a.test", "A", "127.0.1.1")
    assert sorted(resolver.find_mx("a.test")) == [MxRecord(10, "mx.a.test"), MxRecord(20, "other.a.test")]
    assert list(resolver.find_addresses("mx.a.test")) == [ip_address("127.0.1.1")]
    assert list(resolver.find_mx("mx.a.test")) == []


def test_what_was_not_told_does_not_exist(resolver):
    with pytest.raises(NoNameError):
        resolver.find_mx("b.test")


def test_a_failing_name_fails_until_it_is_mended(names, resolver):
    names.tell("a.test", "MX", "0 .")
    names.fail("a.test")
    with pytest.raises(NoAnswerError):
        resolver.find_mx("a.test")
    names.mend("a.test")
    assert list(resolver.find_mx("a.test")) == [MxRecord(0, "")]
