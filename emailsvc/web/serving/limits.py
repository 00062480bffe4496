"""Limits of the web server: times of a transfer, connections of one peer, bytes under way in one process."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network

from common.client_ip import IpNetwork, is_within

KIB = 1024
MIB = 1024 * KIB

# The largest body that is read before the application is asked for it, and the largest head of a request.
GATHER_BYTES = 64 * KIB
# Bodies and answers above this lie in a temporary file while they are under way.
MEMORY_BYTES = 256 * KIB
BYTES_PER_SECOND = 64 * KIB
# A stopping worker waits so long for requests that are on their way over kept connections.
STOPPING_SECONDS = 2.0
# A streamed answer that has nothing to say is asked again after this time.
PAUSE_SECONDS = 0.5
# Bodies above MEMORY_BYTES that threads work on at the same time. One is taken whatever its size.
WORK_BYTES = 32 * MIB


@dataclass(frozen=True, kw_only=True)
class ServerLimits:
    """The settings of one web process. Without the product's settings, as in tests of the server: the defaults."""

    connections_per_peer: int = 50
    # Peers without that limit.
    trusted_proxies: Sequence[IpNetwork] = ()
    # Bytes of large bodies and answers under way.
    bytes_in_flight: int = 256 * MIB
    # The largest body that is read for a view which names no limit of its own.
    body_bytes: int = 32 * MIB
    head_seconds: float = 10.0
    transfer_seconds: float = 30.0
    # After a refusal, the rest of the request is read and thrown away for so long.
    drain_seconds: float = 1.0

    def time_for(self, size: int) -> float:
        """The seconds that a body or an answer of so many bytes may take: 30, and one for each 64 KiB."""
        return self.transfer_seconds + size / BYTES_PER_SECOND


class PeerCount:
    """The open connections by peer. A peer is an IPv4 address, or an IPv6 /64, which one host usually has whole."""

    def __init__(self, limits: ServerLimits) -> None:
        self._limits = limits
        self._counts: dict[str, int] = {}

    def find_peer(self, address: object) -> str:
        """The peer of a socket's address; "" for one without limit: a trusted proxy, a Unix socket."""
        host = address[0] if isinstance(address, tuple) else ""
        if not host:
            return ""
        ip = ip_address(host.partition("%")[0])
        if isinstance(ip, IPv6Address):
            ip = ip.ipv4_mapped or ip
        if is_within(ip, self._limits.trusted_proxies):
            return ""
        return str(ip if ip.version == 4 else ip_network((ip, 64), strict=False))

    def enter(self, peer: str) -> bool:
        """Count a connection; False, and not counted, if the peer has its number."""
        if not peer:
            return True
        count = self._counts.get(peer, 0)
        if count >= self._limits.connections_per_peer:
            return False
        self._counts[peer] = count + 1
        return True

    def leave(self, peer: str) -> None:
        if not peer:
            return
        count = self._counts[peer] - 1
        if count:
            self._counts[peer] = count
        else:
            del self._counts[peer]
