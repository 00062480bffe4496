"""Asking the DNS where mail goes: the port that routing uses, and its adapter, which keeps what the DNS said."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address
from time import sleep
from typing import Protocol

from delivery.dns import DnsClient, DnsValue, LookUpStatus, MxRecord, NameServer, RecordType
from delivery.ssrf import IpAddress

LOOK_UP_SECONDS = 10.0
TRY_SECONDS = 3.0
MAX_CACHED = 20_000
# A name server that has just lost a zone for a moment gets the time to find it again.
PAUSE_SECONDS = 1.0


class NoNameError(Exception):
    """Nothing has this name (NXDOMAIN)."""


class NoAnswerError(Exception):
    """The DNS failed, or did not answer in time: says nothing about the name."""


class MxResolver(Protocol):
    """The port. Blocking, and safe for threads. All may raise NoNameError and NoAnswerError; no data is no error."""

    def find_mx(self, domain: str) -> Sequence[MxRecord]:
        """The domain's mail exchangers, in no order."""

    def find_addresses(self, host: str) -> Sequence[IpAddress]:
        """The host's IPv6 addresses, then its IPv4 ones."""

    def find_texts(self, name: str) -> Sequence[str]:
        """The TXT records, the strings of each joined."""

    def ask_anew(self) -> "MxResolver":
        """The same DNS for a second opinion: later, nothing from the cache, and another name server if there is one."""


class DnsMxResolver:
    """The adapter, with a cache of `cache_size` answers. `name_servers` are (address, port); none are those of the
    machine. A second opinion is asked for after `pause` seconds.
    """

    def __init__(
        self,
        name_servers: Sequence[NameServer] = (),
        *,
        seconds: float = LOOK_UP_SECONDS,
        cache_size: int = MAX_CACHED,
        pause: float = PAUSE_SECONDS,
    ) -> None:
        self._name_servers = name_servers
        self._seconds = seconds
        self._pause = pause
        self._dns = DnsClient(name_servers, seconds=seconds, try_seconds=TRY_SECONDS, cache_size=cache_size)

    def find_mx(self, domain: str) -> Sequence[MxRecord]:
        """As the port says."""
        return [value for value in self._ask(domain, RecordType.MX) if isinstance(value, MxRecord)]

    def find_addresses(self, host: str) -> Sequence[IpAddress]:
        """As the port says. One family that fails does not hide the other."""
        addresses: list[IpAddress] = []
        failures: list[NoAnswerError] = []
        for record_type in (RecordType.AAAA, RecordType.A):
            try:
                values = self._ask(host, record_type)
                addresses += [value for value in values if isinstance(value, IPv4Address | IPv6Address)]
            except NoAnswerError as error:
                failures.append(error)
        if failures and not addresses:
            raise failures[0]
        return addresses

    def find_texts(self, name: str) -> Sequence[str]:
        """As the port says."""
        values = self._ask(name, RecordType.TXT)
        return [value.decode("utf-8", "replace") for value in values if isinstance(value, bytes)]

    def ask_anew(self) -> "DnsMxResolver":
        """As the port says."""
        sleep(self._pause)
        return DnsMxResolver(self._name_servers[::-1], seconds=self._seconds, cache_size=0)

    def _ask(self, name: str, record_type: RecordType) -> Sequence[DnsValue]:
        reply = self._dns.ask(name, record_type)
        match reply.status:
            case LookUpStatus.NO_NAME:
                raise NoNameError(name)
            case LookUpStatus.TIMEOUT:
                raise NoAnswerError("the DNS did not answer in time")
            case LookUpStatus.SERVFAIL | LookUpStatus.ENDLESS:
                raise NoAnswerError(f"the DNS failed: {reply.fault}")
        return reply.values
