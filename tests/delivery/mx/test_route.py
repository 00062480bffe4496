"""From a domain to the addresses of its mail exchangers."""

from ipaddress import ip_network
from typing import Any

import pytest

from delivery.mx.mta_sts import MemoryStore, PolicyError, PolicyFinder
from delivery.mx.route import MxRouter, UnroutableError
from delivery.ssrf import Guard
from tests.delivery.mx.mx_names import FAILING, MISSING, Zone

ALL = Guard(allowed=[ip_network("127.0.0.0/8"), ip_network("::1/128")])


def route(
    domain: str = "x.test", *, guard: Guard = ALL, own: tuple[str, ...] = (), **zone: Any
) -> list[tuple[str, str]]:
    router = MxRouter(
        resolver=Zone(**zone), guard=guard, own_names=own, shuffle=lambda _: None, is_reachable=lambda _: True
    )
    return [(found.host, found.address) for found in router.find_route(domain)]


def refusal(domain: str = "x.test", **options: Any) -> tuple[str, str, bool]:
    with pytest.raises(UnroutableError) as caught:
        route(domain, **options)
    reply = caught.value.reply
    return reply.outcome, reply.enhanced_code, reply.should_suppress


def test_exchangers_come_by_preference_and_ipv6_before_ipv4() -> None:
    mx = {"x.test": ["20 b.x.test", "10 a.x.test", "20 c.x.test"]}
    hosts = {"a.x.test": ["::1", "127.0.0.1"], "b.x.test": ["127.0.0.2"], "c.x.test": ["127.0.0.3"]}
    assert route(mx=mx, hosts=hosts) == [
        ("a.x.test", "::1"),
        ("a.x.test", "127.0.0.1"),
        ("b.x.test", "127.0.0.2"),
        ("c.x.test", "127.0.0.3"),
    ]


def test_equal_preferences_are_shuffled() -> None:
    zone = Zone(
        mx={"x.test": [f"10 {name}.x.test" for name in "abcd"]},
        hosts={f"{name}.x.test": ["127.0.0.1"] for name in "abcd"},
    )
    router = MxRouter(resolver=zone, guard=ALL)
    assert len({router.find_route("x.test")[0].host for _ in range(100)}) == 4


def test_at_most_five_addresses_are_tried() -> None:
    hosts = {"a.x.test": [f"127.0.0.{number}" for number in range(1, 10)]}
    assert len(route(mx={"x.test": ["10 a.x.test"]}, hosts=hosts)) == 5


def test_without_mx_records_the_domain_is_its_own_exchanger() -> None:
    assert route(hosts={"x.test": ["127.0.0.1"]}) == [("x.test", "127.0.0.1")]


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ({"mx": {"x.test": MISSING}}, ("bounced", "5.1.2", True)),
        ({"mx": {"x.test": ["0 ."]}}, ("bounced", "5.1.10", True)),
        ({"mx": {"x.test": FAILING}}, ("deferred", "4.4.3", False)),
        ({}, ("bounced", "5.4.4", True)),
        ({"hosts": {"x.test": MISSING}}, ("bounced", "5.4.4", True)),
        ({"mx": {"x.test": MISSING}, "later": Zone(mx={"x.test": ["10 a.x.test"]})}, ("deferred", "4.4.3", False)),
        ({"mx": {"x.test": MISSING}, "later": Zone(mx={"x.test": FAILING})}, ("deferred", "4.4.3", False)),
        ({"later": Zone(hosts={"x.test": ["127.0.0.1"]})}, ("deferred", "4.4.3", False)),
        ({"later": Zone(mx={"x.test": MISSING})}, ("bounced", "5.4.4", True)),
        ({"mx": {"x.test": ["10 a.x.test"]}, "hosts": {"a.x.test": FAILING}}, ("deferred", "4.4.3", False)),
        ({"mx": {"x.test": ["10 a.x.test"]}, "hosts": {"a.x.test": MISSING}}, ("bounced", "5.4.4", False)),
    ],
)
def test_a_domain_without_a_mail_server_is_rejected_with_its_reason(
    zone: dict[str, Any], expected: tuple[str, str, bool]
) -> None:
    assert refusal(**zone) == expected


def test_a_null_mx_beside_others_is_passed_over() -> None:
    zone = {"mx": {"x.test": ["0 .", "10 a.x.test"]}, "hosts": {"a.x.test": ["127.0.0.1"]}}
    assert route(**zone) == [("a.x.test", "127.0.0.1")]


def test_one_exchanger_that_cannot_be_found_does_not_hide_the_others() -> None:
    mx = {"x.test": ["10 a.x.test", "20 b.x.test", "30 c.x.test"]}
    hosts = {"a.x.test": MISSING, "b.x.test": FAILING, "c.x.test": ["127.0.0.1"]}
    assert route(mx=mx, hosts=hosts) == [("c.x.test", "127.0.0.1")]


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.5", "192.168.1.1", "169.254.169.254", "::1", "fe80::1"])
def test_exchangers_on_loopback_and_private_networks_are_refused(address: str) -> None:
    zone = {"mx": {"x.test": ["10 a.x.test"]}, "hosts": {"a.x.test": [address]}}
    assert refusal(guard=Guard(), **zone) == ("failed", "5.4.4", False)


def test_public_addresses_beside_private_ones_are_used() -> None:
    zone = {"mx": {"x.test": ["10 a.x.test"]}, "hosts": {"a.x.test": ["10.0.0.5", "8.8.8.8"]}}
    assert route(guard=Guard(), **zone) == [("a.x.test", "8.8.8.8")]


def test_mail_is_not_sent_in_a_circle() -> None:
    mx = {"x.test": ["10 a.x.test", "20 us.test", "20 b.x.test", "30 c.x.test"]}
    hosts = {f"{name}.x.test": ["127.0.0.1"] for name in "abc"}
    assert route(own=("us.test",), mx=mx, hosts=hosts) == [("a.x.test", "127.0.0.1")]
    assert refusal(own=("us.test",), mx={"x.test": ["10 us.test"]}) == ("failed", "5.4.6", False)


def test_an_address_out_of_reach_is_passed_over_for_now() -> None:
    zone = Zone(mx={"x.test": ["10 a.x.test"]}, hosts={"a.x.test": ["2606:4700::1", "8.8.8.8"]})
    router = MxRouter(resolver=zone, guard=Guard(), is_reachable=lambda address: address.version == 4)
    assert [found.address for found in router.find_route("x.test")] == ["8.8.8.8"]


def with_policy(text: str) -> MxRouter:
    def fetch(domain: str) -> str:
        if not text:
            raise PolicyError("none")
        return text

    zone = Zone(
        mx={"x.test": ["10 a.x.test", "20 b.x.test"]},
        hosts={"a.x.test": ["127.0.0.1"], "b.x.test": ["127.0.0.2"]},
        texts={"_mta-sts.x.test": ["v=STSv1; id=1;"]},
    )
    return MxRouter(resolver=zone, guard=ALL, policies=PolicyFinder(zone, fetch, MemoryStore()), shuffle=lambda _: None)


def test_an_enforced_policy_leaves_only_its_exchangers_and_wants_good_certificates() -> None:
    found = with_policy("version: STSv1\nmode: enforce\nmx: b.x.test\nmax_age: 86400\n").find_route("x.test")
    assert [(one.host, one.is_tls_checked) for one in found] == [("b.x.test", True)]


def test_a_policy_that_names_no_exchanger_holds_the_mail() -> None:
    with pytest.raises(UnroutableError) as caught:
        with_policy("version: STSv1\nmode: enforce\nmx: other.test\nmax_age: 86400\n").find_route("x.test")
    assert (caught.value.reply.outcome, caught.value.reply.enhanced_code) == ("deferred", "4.7.5")


@pytest.mark.parametrize("text", ["", "version: STSv1\nmode: testing\nmx: other.test\nmax_age: 86400\n"])
def test_no_policy_and_one_that_is_only_tested_change_nothing(text: str) -> None:
    assert [one.is_tls_checked for one in with_policy(text).find_route("x.test")] == [False, False]
