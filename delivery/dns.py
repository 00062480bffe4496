"""Asking the DNS: the one adapter on dnspython, below the ports that packages have of their own.

`delivery.mx.resolver` keeps answers for as long as they say, since a thousand mails go to one domain;
`domains.dns.resolver` keeps none, since it asks for people who have just changed a record.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from typing import NamedTuple, TypeAlias

import dns.exception
import dns.message
import dns.name
import dns.nameserver
import dns.rdata
import dns.resolver
from dns.rdtypes.ANY.CNAME import CNAME
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.TXT import TXT
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.AAAA import AAAA

from delivery.ssrf import IpAddress

# EDNS (RFC 6891): 1232 octets pass every path without fragments, what is longer comes by TCP.
EDNS_BYTES = 1232
DNS_PORT = 53
# resolv.conf(5): without one, the name server is the machine itself.
OWN_MACHINE = ("127.0.0.1", DNS_PORT)

# Address and port.
NameServer: TypeAlias = tuple[str, int]


class RecordType(StrEnum):
    """The record types that email needs."""

    TXT = "TXT"
    CNAME = "CNAME"
    MX = "MX"
    A = "A"
    AAAA = "AAAA"


class LookUpStatus(StrEnum):
    """How a question ended."""

    FOUND = "found"
    NO_NAME = "no_name"  # NXDOMAIN: nothing at all has this name
    NO_DATA = "no_data"  # the name exists, without a record of this type
    ENDLESS = "endless"  # aliases that lead in a circle, or too many of them
    SERVFAIL = "servfail"  # every name server failed or refused: says nothing about the record
    TIMEOUT = "timeout"  # no answer in time: says nothing about the record

    @property
    def is_definite(self) -> bool:
        """Whether the DNS said something about the record, so that a verdict may rest on it."""
        return self not in {LookUpStatus.SERVFAIL, LookUpStatus.TIMEOUT}


class MxRecord(NamedTuple):
    """One mail exchanger. `host` is in lower case without a final dot; empty is RFC 7505's null MX."""

    preference: int
    host: str


DnsValue: TypeAlias = MxRecord | IpAddress | bytes | str


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsReply:
    """What the DNS said to one question.

    `values` is empty unless `status` is FOUND: an MxRecord for each MX, an address for each A and AAAA, a name for a
    CNAME, and bytes for each TXT, its strings joined (RFC 6376, 3.6.2.2; RFC 7208, 3.3). Names are in lower case
    without a final dot. `aliases` holds the targets of the CNAMEs on the way to the values, in order, as far as the
    name server followed them. `fault` is the name of dnspython's error where the status says nothing about the record.
    """

    status: LookUpStatus
    values: tuple[DnsValue, ...] = ()
    aliases: tuple[str, ...] = ()
    fault: str = ""


class DnsClient:
    """Asks name servers; without any given, those of the machine. Safe for threads.

    A question ends within `seconds`, each try at one name server within `try_seconds` or half of `seconds`. The last
    `cache_size` answers are kept for as long as they say; 0 keeps none.
    """

    def __init__(
        self, name_servers: Sequence[NameServer] = (), *, seconds: float, try_seconds: float, cache_size: int = 0
    ) -> None:
        self._resolver = _build_resolver(name_servers)
        self._resolver.lifetime = seconds
        self._resolver.timeout = min(try_seconds, seconds / 2)
        if cache_size:
            self._resolver.cache = dns.resolver.LRUCache(cache_size)

    def ask(self, name: str, record_type: RecordType, seconds: float | None = None) -> DnsReply:
        """Ask for one name (A-labels) and type. Blocks for `seconds` at most, in place of the client's own.

        What the DNS says, or fails to say, is a value and never an exception.
        """
        if seconds is not None and seconds <= 0:
            return DnsReply(status=LookUpStatus.TIMEOUT, fault="Timeout")
        try:
            answer = self._resolver.resolve(
                dns.name.from_text(name), record_type.value, raise_on_no_answer=False, lifetime=seconds, search=False
            )
        except dns.exception.DNSException as error:
            return _read_failure(error)
        aliases = tuple(_name_text(cname[0].target) for cname in answer.chaining_result.cnames)
        if answer.rrset is None:
            return DnsReply(status=LookUpStatus.NO_DATA, aliases=aliases)
        return DnsReply(status=LookUpStatus.FOUND, values=tuple(map(_read_value, answer.rrset)), aliases=aliases)


def parse_name_server(text: str) -> NameServer:
    """`127.0.0.1`, `127.0.0.1:5353`, `::1` or `[::1]:5353`. ValueError for anything else, host names too."""
    host, colon, port = text.rpartition(":")
    if not colon or (":" in host and not host.endswith("]")):
        host, port = text, str(DNS_PORT)
    return str(ip_address(host.strip("[]"))), int(port)


def _build_resolver(name_servers: Sequence[NameServer]) -> dns.resolver.Resolver:
    try:
        resolver = dns.resolver.Resolver(configure=not name_servers)
    except dns.resolver.NoResolverConfiguration:
        resolver = dns.resolver.Resolver(configure=False)
        name_servers = [OWN_MACHINE]
    if name_servers:
        resolver.nameservers = [dns.nameserver.Do53Nameserver(address, port) for address, port in name_servers]
    resolver.use_edns(0, 0, EDNS_BYTES)
    return resolver


def _read_failure(error: dns.exception.DNSException) -> DnsReply:
    match error:
        case dns.resolver.NXDOMAIN():
            return DnsReply(status=LookUpStatus.NO_NAME, aliases=tuple(_read_aliases(error)))
        case dns.exception.Timeout():
            status = LookUpStatus.TIMEOUT
        case dns.resolver.NoNameservers() if _is_endless(error):
            status = LookUpStatus.ENDLESS
        case _:
            # YXDOMAIN, a label over 63 octets from a DNAME, and whatever else a broken server may say.
            status = LookUpStatus.SERVFAIL
    return DnsReply(status=status, fault=type(error).__name__)


def _is_endless(error: dns.resolver.NoNameservers) -> bool:
    """Whether all servers failed by a chain without an end inside one answer: the record's fault, not theirs."""
    faults = [fault[3] for fault in error.kwargs["errors"]]
    return bool(faults) and all(isinstance(fault, dns.message.ChainTooLong) for fault in faults)


def _read_aliases(error: dns.resolver.NXDOMAIN) -> Iterator[str]:
    """The CNAMEs before the name that is not there (RFC 6604: the code speaks of the last one)."""
    for response in error.kwargs["responses"].values():
        for rrset in response.resolve_chaining().cnames:
            yield _name_text(rrset[0].target)


def _name_text(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower()


def _read_value(rdata: dns.rdata.Rdata) -> DnsValue:
    match rdata:
        case MX():
            return MxRecord(rdata.preference, "" if rdata.exchange == dns.name.root else _name_text(rdata.exchange))
        case TXT():
            return b"".join(rdata.strings)
        case CNAME():
            return _name_text(rdata.target)
        case A() | AAAA():
            return ip_address(rdata.address)
        case _:
            return rdata.to_text()
