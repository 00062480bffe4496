"""The client's IP address behind proxies."""

from ipaddress import ip_address, ip_network

import pytest

from common.client_ip import client_ip

PROXIES = ["10.0.0.0/8", "127.0.0.1/32", "2001:db8:1::/48"]

CASES = [
    # peer, X-Forwarded-For, client
    ("192.0.2.1", None, "192.0.2.1"),
    ("192.0.2.1", "198.51.100.7", "192.0.2.1"),
    ("10.0.0.1", None, "10.0.0.1"),
    ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
    ("10.0.0.1", "203.0.113.9, 198.51.100.7", "198.51.100.7"),
    ("10.0.0.1", "198.51.100.7, 10.9.9.9", "198.51.100.7"),
    ("10.0.0.1", "198.51.100.7,10.9.9.9 , 10.8.8.8", "198.51.100.7"),
    ("10.0.0.1", "10.1.1.1, 10.2.2.2", "10.1.1.1"),
    ("10.0.0.1", "198.51.100.7, garbage", "10.0.0.1"),
    ("10.0.0.1", "garbage, 10.2.2.2", "10.2.2.2"),
    ("10.0.0.1", "", "10.0.0.1"),
    ("10.0.0.1", ",,", "10.0.0.1"),
    ("10.0.0.1", "unknown", "10.0.0.1"),
    ("10.0.0.1", "198.51.100.7:4321", "198.51.100.7"),
    ("10.0.0.1", "[2001:db8::5]:4321", "2001:db8::5"),
    ("10.0.0.1", "2001:db8::5", "2001:db8::5"),
    ("10.0.0.1", "::ffff:198.51.100.7", "198.51.100.7"),
    ("::ffff:10.0.0.1", "198.51.100.7", "198.51.100.7"),
    ("2001:db8:1::9", "198.51.100.7", "198.51.100.7"),
    ("2001:db8:2::9", "198.51.100.7", "2001:db8:2::9"),
    ("fe80::1%eth0", None, "fe80::1"),
    ("", "198.51.100.7", "198.51.100.7"),
    ("garbage", "198.51.100.7", None),
    ("10.0.0.1", "2130706433", "10.0.0.1"),
    ("10.0.0.1", "010.1.1.1", "10.0.0.1"),
    ("10.0.0.1", "198.51.100.7," * 5000 + "[", "10.0.0.1"),
]


@pytest.mark.parametrize(("peer", "forwarded", "expected"), CASES, ids=lambda value: str(value)[:40])
def test_only_entries_of_trusted_proxies_count(settings, peer, forwarded, expected):
    settings.TRUSTED_PROXIES = [ip_network(text) for text in PROXIES]
    meta = {"REMOTE_ADDR": peer} | ({} if forwarded is None else {"HTTP_X_FORWARDED_FOR": forwarded})
    assert client_ip(meta) == (ip_address(expected) if expected else None)


def test_without_trusted_proxies_the_header_never_counts(settings):
    settings.TRUSTED_PROXIES = []
    for peer in ("127.0.0.1", "10.0.0.1", ""):
        assert client_ip({"REMOTE_ADDR": peer, "HTTP_X_FORWARDED_FOR": "198.51.100.7"}) != ip_address("198.51.100.7")
