"""The table of networks of mail filters and image proxies: `filter_networks.txt`, and the operator's file.

The operator's file is read again when it has changed, so no process needs a restart.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path

import structlog
from django.conf import settings

log = structlog.get_logger(__name__)

SHIPPED = Path(__file__).with_name("filter_networks.txt")
# How long a process goes on with the table that it has read.
FRESH_SECONDS = 10.0
# The prefixes of addresses that count as one network: a filter comes from several addresses of the same one.
NEIGHBOURHOODS = {4: 24, 6: 48}
MAX_LENGTHS = {4: 32, 6: 128}


class NetworkKind(StrEnum):
    """The visitors that come from a network; `filter_networks.txt` says what each word means."""

    SCANNER = "scanner"
    EARLY = "early"
    PREFETCH = "prefetch"
    PROXY = "proxy"
    HUMAN = "human"


@dataclass(frozen=True, slots=True)
class KnownNetwork:
    """A row of the table."""

    kind: NetworkKind
    name: str


class NetworksError(ValueError):
    """A line of a table is wrong; the text names it by its number."""


Table = Mapping[tuple[int, int], Mapping[int, KnownNetwork]]


def parse_networks(text: str) -> dict[tuple[int, int], dict[int, KnownNetwork]]:
    """Parse a table into {(IP version, prefix length): {network's bits: row}}. Raises NetworksError."""
    table: dict[tuple[int, int], dict[int, KnownNetwork]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split(None, 2)
        if not words:
            continue
        try:
            network = ip_network(words[0])
            row = KnownNetwork(NetworkKind(words[1]), words[2].strip() if len(words) > 2 else words[0])
        except (ValueError, IndexError):
            raise NetworksError(f"line {number}: expected NETWORK LABEL NAME, not {line.strip()[:100]!r}") from None
        free = MAX_LENGTHS[network.version] - network.prefixlen
        rows = table.setdefault((network.version, network.prefixlen), {})
        rows[int(network.network_address) >> free] = row
    return table


def read_tables(path: str) -> Table:
    """The shipped table with the operator's file, whose rows win. Raises NetworksError and OSError."""
    table = parse_networks(SHIPPED.read_text(encoding="utf-8"))
    if path:
        for key, rows in parse_networks(Path(path).read_text(encoding="utf-8")).items():
            table.setdefault(key, {}).update(rows)
    # The longest prefix decides.
    return dict(sorted(table.items(), reverse=True))


class Networks:
    """The table in use. A file that cannot be read is logged, and the table before it stays in use."""

    def __init__(self) -> None:
        self._table: Table = {}
        self._version: object = None
        self._looked_at = float("-inf")

    def find(self, ip: str) -> KnownNetwork | None:
        """`find_in` the table in use."""
        return find_in(self._read(), ip)

    def _read(self) -> Table:
        now = time.monotonic()
        if now - self._looked_at < FRESH_SECONDS and self._version == (settings.TRACKING_NETWORKS_FILE,):
            return self._table
        path = settings.TRACKING_NETWORKS_FILE
        try:
            self._table = cached_tables(path, Path(path).stat().st_mtime_ns if path else 0)
        except (OSError, UnicodeDecodeError, NetworksError) as error:
            log.warning("tracking_networks_unreadable", file=path, error=str(error))
            self._table = self._table or cached_tables("", 0)
        self._looked_at, self._version = now, (path,)
        return self._table


def find_in(table: Table, ip: str) -> KnownNetwork | None:
    """The row of a table's smallest network that contains an address; None for others and for no address."""
    address = read_address(ip)
    if address is None:
        return None
    value = int(address)
    for (version, length), rows in table.items():
        if version == address.version and (row := rows.get(value >> (MAX_LENGTHS[version] - length))):
            return row
    return None


@lru_cache(maxsize=2)
def cached_tables(path: str, _changed_at: int) -> Table:
    return read_tables(path)


networks = Networks()


def read_address(ip: str) -> IPv4Address | IPv6Address | None:
    """The address; an IPv4 address that is mapped into IPv6 as IPv4. None for another text."""
    try:
        address = ip_address(ip)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def find_neighbourhood(ip: str) -> str:
    """The network that an address counts as, such as `203.0.113.0/24`; empty without an address."""
    address = read_address(ip)
    return str(ip_network((address, NEIGHBOURHOODS[address.version]), strict=False)) if address else ""


def list_networks(table: Table) -> Iterator[tuple[str, KnownNetwork]]:
    """The rows of a table with their networks as text."""
    for (version, length), rows in table.items():
        for bits, row in rows.items():
            address = (IPv4Address if version == 4 else IPv6Address)(bits << (MAX_LENGTHS[version] - length))
            yield f"{address}/{length}", row
