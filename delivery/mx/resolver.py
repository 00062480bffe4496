"""Asking the DNS where mail goes: the port that routing uses, and its adapter on dnspython.

`domains.dns.resolver` asks for people who have just changed a record and keeps nothing; here answers are kept for as
long as they say, since a thousand mails go to one domain.
"""

from collections.abc import Sequence
from ipaddress import ip_address
from typing import NamedTuple, Protocol

import dns.exception
import dns.nameserver
import dns.rdatatype
import dns.resolver
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.TXT import TXT
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.AAAA import AAAA

from delivery.ssrf import IpAddress

LOOK_UP_SECONDS = 10.0
TRY_SECONDS = 3.0
MAX_CACHED = 20_000
# EDNS (RFC 6891): 1232 octets pass every path without fragments, what is longer comes by TCP.
EDNS_BYTES = 1232


class NoNameError(Exception):
    """Nothing has this name (NXDOMAIN)."""


class NoAnswerError(Exception):
    """The DNS failed, or did not answer in time: says nothing about the name."""


class MxRecord(NamedTuple):
    """One mail exchanger. `host` is in lower case without a final dot; empty is RFC 7505's null MX."""

    preference: int
    host: str


class MxResolver(Protocol):
    """The port. Blocking, and safe for threads. All may raise NoNameError and NoAnswerError; no data is no error."""

    def find_mx(self, domain: str) -> Sequence[MxRecord]:
        """The domain's mail exchangers, in no order."""

    def find_addresses(self, host: str) -> Sequence[IpAddress]:
        """The host's IPv6 addresses, then its IPv4 ones."""

    def find_texts(self, name: str) -> Sequence[str]:
        """The TXT records, the strings of each joined."""


class DnsMxResolver:
    """The adapter on dnspython, with its cache. `name_servers` are (address, port); none are those of the machine."""

    def __init__(self, name_servers: Sequence[tuple[str, int]] = (), *, seconds: float = LOOK_UP_SECONDS) -> None:
        self._resolver = _build_resolver(name_servers)
        self._resolver.timeout = min(TRY_SECONDS, seconds / 2)
        self._resolver.lifetime = seconds
        self._resolver.cache = dns.resolver.LRUCache(MAX_CACHED)
        self._resolver.use_edns(0, 0, EDNS_BYTES)

    def find_mx(self, domain: str) -> Sequence[MxRecord]:
        """As the port says."""
        found = self._ask(domain, "MX")
        return [MxRecord(row.preference, _name_text(row.exchange)) for row in found if isinstance(row, MX)]

    def find_addresses(self, host: str) -> Sequence[IpAddress]:
        """As the port says. One family that fails does not hide the other."""
        addresses: list[IpAddress] = []
        failures: list[NoAnswerError] = []
        for kind in ("AAAA", "A"):
            try:
                found = self._ask(host, kind)
                addresses += [ip_address(row.address) for row in found if isinstance(row, A | AAAA)]
            except NoAnswerError as error:
                failures.append(error)
        if failures and not addresses:
            raise failures[0]
        return addresses

    def find_texts(self, name: str) -> Sequence[str]:
        """As the port says."""
        found = self._ask(name, "TXT")
        return [b"".join(row.strings).decode("utf-8", "replace") for row in found if isinstance(row, TXT)]

    def _ask(self, name: str, kind: str) -> Sequence[object]:
        try:
            answer = self._resolver.resolve(name, kind, raise_on_no_answer=False, search=False)
        except dns.resolver.NXDOMAIN:
            raise NoNameError(name) from None
        except dns.exception.Timeout:
            raise NoAnswerError("the DNS did not answer in time") from None
        except dns.exception.DNSException as error:
            raise NoAnswerError(f"the DNS failed: {type(error).__name__}") from None
        return list(answer.rrset or ())


def _name_text(name: object) -> str:
    return str(name).rstrip(".").lower()


def _build_resolver(name_servers: Sequence[tuple[str, int]]) -> dns.resolver.Resolver:
    try:
        resolver = dns.resolver.Resolver(configure=not name_servers)
    except dns.resolver.NoResolverConfiguration:
        # resolv.conf(5): without one, the name server is the machine itself.
        resolver = dns.resolver.Resolver(configure=False)
        name_servers = [("127.0.0.1", 53)]
    if name_servers:
        resolver.nameservers = [dns.nameserver.Do53Nameserver(address, port) for address, port in name_servers]
    return resolver


def read_name_server(text: str) -> tuple[str, int]:
    """`127.0.0.1`, `127.0.0.1:5353`, `::1` or `[::1]:5353`; ValueError for anything else."""
    host, colon, port = text.rpartition(":")
    if not colon or (":" in host and not host.endswith("]")):
        host, port = text, "53"
    return str(ip_address(host.strip("[]"))), int(port)
