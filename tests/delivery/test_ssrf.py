"""The guard against URLs that lead into private networks."""

import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.ssrf import Guard, IpAddress, RefusedError, UrlTarget, is_public, parse_target

PUBLIC = ["1.1.1.1", "93.184.215.14", "2606:4700::1111", "2a00:1450:4001:80b::200e"]
CLOSED = [
    *("0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.0.1", "169.254.169.254", "172.16.0.1"),
    *("172.31.255.255", "192.0.0.1", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.1"),
    *("203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:1.1.1.1", "64:ff9b::7f00:1", "64:ff9b::101:101"),
    *("64:ff9b:1::1", "100::1", "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:10::1", "2001:db8::1"),
    *("2002:7f00:1::", "2002:101:101::1", "3fff::1", "5f00::1", "fc00::1", "fd12::1", "fe80::1", "fec0::1", "ff02::1"),
]


def fixed(*addresses: str):
    def resolve(host: str, port: int) -> Sequence[IpAddress]:
        return [ip_address(text) for text in addresses]

    return resolve


@pytest.mark.parametrize("text", PUBLIC)
def test_public_addresses_are_admitted(text):
    assert is_public(ip_address(text))
    assert Guard(resolve=fixed(text)).find_addresses("hook.test", 443) == [ip_address(text)]


@pytest.mark.parametrize("text", CLOSED)
def test_addresses_inside_are_refused_by_number_and_by_name(text):
    assert not is_public(ip_address(text))
    for host, resolve in ((text, fixed()), ("hook.test", fixed(text)), ("hook.test", fixed("1.1.1.1", text))):
        with pytest.raises(RefusedError) as caught:
            Guard(resolve=resolve).find_addresses(host, 443)
        assert caught.value.code == "forbidden_address"


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6), st.ip_addresses(network="2000::/3")))
def test_what_is_admitted_is_global_to_python_too(address: IPv4Address | IPv6Address):
    if is_public(address):
        assert address.is_global
        assert not address.is_multicast
        assert not address.is_reserved


def test_a_refusal_does_not_tell_the_address():
    with pytest.raises(RefusedError) as caught:
        Guard(resolve=fixed("10.1.2.3")).find_addresses("hook.test", 443)
    assert "10.1.2.3" not in caught.value.message


def test_named_networks_are_opened_and_nothing_else():
    guard = Guard(allowed=[ip_network("127.0.0.0/8"), ip_network("fd12::/16")], resolve=fixed("127.0.0.5"))
    assert guard.find_addresses("inside", 80) == [ip_address("127.0.0.5")]
    assert guard.find_addresses("fd12::1", 80) == [ip_address("fd12::1")]
    for host in ("10.0.0.1", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "169.254.169.254"):
        with pytest.raises(RefusedError):
            guard.find_addresses(host, 80)


def test_a_name_that_cannot_be_resolved_is_an_os_error():
    def fail(host: str, port: int) -> Sequence[IpAddress]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    def fail_oddly(host: str, port: int) -> Sequence[IpAddress]:
        raise UnicodeError

    for resolve in (fail, fail_oddly, fixed()):
        with pytest.raises(OSError):
            Guard(resolve=resolve).find_addresses("hook.test", 443)


def test_this_machine_knows_localhost_and_the_guard_refuses_it():
    with pytest.raises(RefusedError):
        Guard().find_addresses("localhost", 80)


@pytest.mark.parametrize(
    ("url", "target", "spelling"),
    [
        (
            "https://Hooks.Example.com/a/b?c=d",
            UrlTarget(scheme="https", host="hooks.example.com", port=443, path="/a/b?c=d"),
            "https://hooks.example.com/a/b?c=d",
        ),
        ("http://app:8080", UrlTarget(scheme="http", host="app", port=8080, path="/"), "http://app:8080/"),
        ("http://a.test?x", UrlTarget(scheme="http", host="a.test", port=80, path="/?x"), "http://a.test/?x"),
        (
            "https://192.0.2.1:443/",
            UrlTarget(scheme="https", host="192.0.2.1", port=443, path="/"),
            "https://192.0.2.1/",
        ),
        (
            "https://[2001:db8::1]:8443/h",
            UrlTarget(scheme="https", host="2001:db8::1", port=8443, path="/h"),
            "https://[2001:db8::1]:8443/h",
        ),
        (
            "https://my_app.internal/x%20y",
            UrlTarget(scheme="https", host="my_app.internal", port=443, path="/x%20y"),
            "https://my_app.internal/x%20y",
        ),
    ],
)
def test_plain_urls_are_taken_apart(url, target, spelling):
    assert parse_target(url) == target
    assert target.url == spelling
    assert parse_target(spelling) == target


@pytest.mark.parametrize(
    "host",
    [
        *(
            "2130706433",
            "0x7f.1",
            "0x7f000001",
            "0177.0.0.1",
            "017700000001",
            "127.1",
            "127.0.1",
            "127.0.0.1.",
            "127.0",
        ),
        *("127.0.0.01", "127.0.0.256", "1.2.3.4.5", "127.0.0.0x1", "foo.0x", "example.1", "[::ffff:127.0.0.1]"),
        *(
            "[::ffff:7f00:1]",
            "[0:0:0:0:0:0:0:1]",
            "[2001:DB8:0::1]",
            "[::1",
            "::1",
            "[]",
            "[fe80::1%eth0]",
            "[127.0.0.1]",
        ),
        *("a..b", ".a", "a.", "-a", "a-", "a" * 64, ".".join(["a" * 60] * 5), "", ".", "*", "a b", "a\tb"),
        *(
            "１２７.０.０.１",
            "bücher.example",
            "localhost\u3002",
            "①.test",
            "a\u00adb.test",
            "%31%32%37.0.0.1",
            "127。0。0。1",
        ),
        *("user@host", "user:pw@host", "a.test:80@10.0.0.1", "a.test\\@10.0.0.1", "a.test#@10.0.0.1"),
        *("a.test:", "a.test:0", "a.test:65536", "a.test:080", "a.test:+80", "a.test:x"),
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_hosts_that_could_be_read_in_two_ways_are_refused(scheme, host):
    with pytest.raises(RefusedError) as caught:
        parse_target(f"{scheme}://{host}/")
    assert caught.value.code in {"invalid_url", "invalid_host"}


@pytest.mark.parametrize(
    "url",
    [
        *(
            "",
            "a.test",
            "//a.test/",
            "ftp://a.test/",
            "file:///etc/passwd",
            "gopher://a.test/",
            "unix:///x",
            "HTTPS//a",
        ),
        *(
            "http:a.test",
            "http:/a.test",
            "http:///a.test",
            "http://",
            "https:///",
            " http://a.test/",
            "http://a.test/ ",
        ),
        *("http://a.test/\r\nX: y", "http://a.test/\n", "http://a.test/a b", "http://a.test/ü", "http://a.test/\x00"),
        *("http://a.test/#frag", "http://a.test/\\x", "javascript:alert(1)", "http://a.test/" + "x" * 2048),
    ],
)
def test_an_unusual_url_is_rejected(url):
    with pytest.raises(RefusedError):
        parse_target(url)
