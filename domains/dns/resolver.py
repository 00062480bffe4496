"""Asking the DNS about sending domains: the port that the checks use, and its adapter, which follows aliases.

What the DNS says, or fails to say, is a value and never an exception: a domain that is not there and a name server that
is down lead to different verdicts, so the difference is part of the answer.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import Protocol

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from delivery.dns import DnsClient, DnsValue, LookUpStatus, MxRecord, NameServer, RecordType, parse_name_server

# Recursive resolvers follow eight to sixteen; whoever needs more has built a maze that some of them give up on.
MAX_ALIASES = 8
CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
TRY_TIME = timedelta(seconds=2)
LOOK_UP_TIME = timedelta(seconds=5)


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
    """The adapter on `delivery.dns`.

    `name_servers` are `address` or `address:port` (`[v6]:port`); without any, those of the machine. Nothing is cached:
    whoever presses "verify" has just changed a record. ImproperlyConfigured when a name server is no address.
    """

    def __init__(self, name_servers: Sequence[str] = (), look_up_time: timedelta = LOOK_UP_TIME) -> None:
        self._look_up_time = look_up_time.total_seconds()
        self._dns = DnsClient(
            [read_dns_server(server) for server in name_servers],
            seconds=self._look_up_time,
            try_seconds=TRY_TIME.total_seconds(),
        )

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
        reply = self._dns.ask(name, record_type, deadline - monotonic())
        return DnsResult(status=reply.status, values=tuple(map(value_text, reply.values)), aliases=reply.aliases)


def default_resolver() -> DnsResolver:
    """The resolver of this installation: the setting DNS_SERVERS, or the machine's own name servers."""
    return DnsResolver(settings.DNS_SERVERS)


def read_dns_server(text: str) -> NameServer:
    """One of the setting DNS_SERVERS. ImproperlyConfigured for what is no address, host names too."""
    try:
        return parse_name_server(text)
    except ValueError:
        raise ImproperlyConfigured(f"DNS_SERVERS: {text} is not an address, or an address and a port") from None


def conclude_look_up(answer: DnsResult, aliases: Sequence[str], record_type: RecordType) -> DnsResult:
    """The last answer of a chain as the answer to the first question."""
    if record_type is not RecordType.CNAME or not aliases:
        return DnsResult(status=answer.status, values=answer.values, aliases=tuple(aliases))
    # A chain ends where no further CNAME is, whether or not that name has other records.
    status = LookUpStatus.FOUND if answer.status.is_definite else answer.status
    return DnsResult(status=status, values=(aliases[0],), aliases=tuple(aliases))


def has_circle(names: Sequence[str]) -> bool:
    return len({name.lower() for name in names}) < len(names)


def value_text(value: DnsValue) -> str:
    match value:
        case bytes():
            text = value.decode("utf-8", errors="backslashreplace")
            return CONTROLS.sub(lambda match: f"\\x{ord(match[0]):02x}", text)
        case MxRecord(preference, host):
            return f"{preference} {host or '.'}"
        case _:
            return str(value)
