"""Asking the DNS: the port that the checks use, and its adapter on dnspython.

What the DNS says, or fails to say, is a value and never an exception: a domain that is not there and a name server that
is down lead to different verdicts, so the difference is part of the answer.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from ipaddress import ip_address
from time import monotonic
from typing import Protocol

import dns.exception
import dns.message
import dns.name
import dns.nameserver
import dns.rdata
import dns.resolver
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from dns.rdtypes.ANY.CNAME import CNAME
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.TXT import TXT

# Recursive resolvers follow eight to sixteen; whoever needs more has built a maze that some of them give up on.
MAX_ALIASES = 8
CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
TRY_TIME = timedelta(seconds=2)
LOOK_UP_TIME = timedelta(seconds=5)


class RecordType(StrEnum):
    """The record types that sending domains use."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsResult:
    """What the DNS said.

    `values` is empty unless `status` is FOUND. A TXT record's strings are joined to one value, as RFC 6376, 3.6.2.2
    and RFC 7208, 3.3 want it; controls and bytes outside UTF-8 are shown as `\\xNN`. Names are in lower case without
    a final dot, an MX reads `10 mx.example.com`. `aliases` holds the targets of the CNAMEs that were followed, in
    order; for a question of type CNAME, `values` is the first of them, and the status that of following the last one
    to its end: FOUND when the chain ends.
    """

    status: LookUpStatus
    values: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()


class Resolver(Protocol):
    """The port. Implementations may be called by many threads at once."""

    def look_up(self, name: str, record_type: RecordType) -> DnsResult:
        """Ask for one name (A-labels) and type, CNAMEs followed. Raises nothing for what the DNS does."""


class DnsResolver:
    """The adapter on dnspython.

    `name_servers` are `address` or `address:port` (`[v6]:port`); without any, those of the machine. Nothing is cached:
    whoever presses "verify" has just changed a record.
    """

    def __init__(self, name_servers: Sequence[str] = (), look_up_time: timedelta = LOOK_UP_TIME) -> None:
        self._resolver = build_resolver(name_servers)
        self._resolver.timeout = min(TRY_TIME, look_up_time / 2).total_seconds()
        self._look_up_time = look_up_time.total_seconds()

    def look_up(self, name: str, record_type: RecordType) -> DnsResult:
        """As the port says, within `look_up_time` however many aliases there are."""
        deadline = monotonic() + self._look_up_time
        aliases: list[str] = []
        question = name
        while len(aliases) <= MAX_ALIASES:
            answer = self._ask(question, record_type, deadline)
            aliases.extend(answer.aliases)
            if has_circle([name, *aliases]):
                break
            match answer:
                case DnsResult(status=LookUpStatus.FOUND, values=(target, *_)) if record_type is RecordType.CNAME:
                    aliases.append(target)
                    question = target
                case DnsResult(status=LookUpStatus.NO_DATA, aliases=(*_, target)):
                    # An authoritative server stops at the border of its zone: ask on from there.
                    question = target
                case _:
                    return conclude_look_up(answer, aliases, record_type)
        return DnsResult(status=LookUpStatus.ENDLESS, aliases=tuple(aliases))

    def _ask(self, name: str, record_type: RecordType, deadline: float) -> DnsResult:
        lifetime = deadline - monotonic()
        if lifetime <= 0:
            return DnsResult(status=LookUpStatus.TIMEOUT)
        try:
            reply = self._resolver.resolve(
                dns.name.from_text(name), record_type.value, raise_on_no_answer=False, lifetime=lifetime, search=False
            )
        except dns.resolver.NXDOMAIN as error:
            return DnsResult(status=LookUpStatus.NO_NAME, aliases=tuple(read_aliases(error)))
        except dns.exception.Timeout:
            return DnsResult(status=LookUpStatus.TIMEOUT)
        except dns.resolver.NoNameservers as error:
            return DnsResult(status=read_failure(error))
        except dns.exception.DNSException:
            # YXDOMAIN, a label over 63 octets from a DNAME, and whatever else a broken server may say.
            return DnsResult(status=LookUpStatus.SERVFAIL)
        aliases = tuple(name_text(cname[0].target) for cname in reply.chaining_result.cnames)
        if reply.rrset is None:
            return DnsResult(status=LookUpStatus.NO_DATA, aliases=aliases)
        return DnsResult(status=LookUpStatus.FOUND, values=tuple(map(value_text, reply.rrset)), aliases=aliases)


def default_resolver() -> DnsResolver:
    """The resolver of this installation: the setting DNS_SERVERS, or the machine's own name servers."""
    return DnsResolver(settings.DNS_SERVERS)


def build_resolver(name_servers: Sequence[str]) -> dns.resolver.Resolver:
    try:
        resolver = dns.resolver.Resolver(configure=not name_servers)
    except dns.resolver.NoResolverConfiguration:
        # resolv.conf(5): without one, the name server is the machine itself.
        resolver = dns.resolver.Resolver(configure=False)
        name_servers = ["127.0.0.1"]
    if name_servers:
        resolver.nameservers = [parse_server(server) for server in name_servers]
    # RFC 6891; 1232 octets pass every path without fragments, what is longer comes by TCP.
    resolver.use_edns(0, 0, 1232)
    return resolver


def parse_server(server: str) -> dns.nameserver.Nameserver:
    """`127.0.0.1`, `127.0.0.1:5353`, `::1` or `[::1]:5353`. ImproperlyConfigured for anything else, host names too."""
    host, colon, port = server.rpartition(":")
    if not colon or (":" in host and not host.endswith("]")):
        host, port = server, "53"
    try:
        return dns.nameserver.Do53Nameserver(str(ip_address(host.strip("[]"))), int(port))
    except ValueError:
        raise ImproperlyConfigured(f"DNS_SERVERS: {server} is not an address, or an address and a port") from None


def conclude_look_up(answer: DnsResult, aliases: Sequence[str], record_type: RecordType) -> DnsResult:
    """The last answer of a chain as the answer to the first question."""
    if record_type is not RecordType.CNAME or not aliases:
        return DnsResult(status=answer.status, values=answer.values, aliases=tuple(aliases))
    # A chain ends where no further CNAME is, whether or not that name has other records.
    status = LookUpStatus.FOUND if answer.status.is_definite else answer.status
    return DnsResult(status=status, values=(aliases[0],), aliases=tuple(aliases))


def has_circle(names: Sequence[str]) -> bool:
    return len({name.lower() for name in names}) < len(names)


def read_failure(error: dns.resolver.NoNameservers) -> LookUpStatus:
    """Servers that all failed: a chain without an end inside one answer is the record's fault, not theirs."""
    faults = [fault[3] for fault in error.kwargs["errors"]]
    if faults and all(isinstance(fault, dns.message.ChainTooLong) for fault in faults):
        return LookUpStatus.ENDLESS
    return LookUpStatus.SERVFAIL


def read_aliases(error: dns.resolver.NXDOMAIN) -> Iterator[str]:
    """The CNAMEs before the name that is not there (RFC 6604: the code speaks of the last one)."""
    for response in error.kwargs["responses"].values():
        for rrset in response.resolve_chaining().cnames:
            yield name_text(rrset[0].target)


def name_text(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower()


def value_text(rdata: dns.rdata.Rdata) -> str:
    match rdata:
        case TXT():
            text = b"".join(rdata.strings).decode("utf-8", errors="backslashreplace")
            return CONTROLS.sub(lambda match: f"\\x{ord(match[0]):02x}", text)
        case CNAME():
            return name_text(rdata.target)
        case MX():
            return f"{rdata.preference} {name_text(rdata.exchange)}"
        case _:
            return rdata.to_text()
