"""The client's IP address, seen through the proxies that the operator trusts; and the origin of a change."""

import os
import socket
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any, TypeAlias
from urllib.parse import parse_qs

from django.conf import settings

IpAddress: TypeAlias = IPv4Address | IPv6Address
IpNetwork: TypeAlias = IPv4Network | IPv6Network

# A server on a Unix socket has no peer address; the client is on this machine.
UNIX_SOCKET_PEER = IPv4Address("127.0.0.1")


def client_ip(meta: Mapping[str, Any]) -> IpAddress | None:
    """The client's address, from `request.META`; None if the server gives no readable address.

    X-Forwarded-For is read from the right, as long as the hop that added the entry is in TRUSTED_PROXIES. An entry that
    is not an IP address ends the walk at the last valid one.
    """
    trusted: Sequence[IpNetwork] = settings.TRUSTED_PROXIES
    current = parse_ip(meta.get("REMOTE_ADDR", "")) if meta.get("REMOTE_ADDR") else UNIX_SOCKET_PEER
    hops = meta.get("HTTP_X_FORWARDED_FOR", "").split(",")
    while current and hops and is_within(current, trusted):
        hop = parse_ip(hops.pop())
        if hop is None:
            break
        current = hop
    return current


@dataclass(frozen=True, slots=True)
class Origin:
    """From where a change comes, and its reason if one was said."""

    place: str
    reason: str = ""


MAX_REASON = 500
# The `META` of the request that is being served, or the reason that a command was given.
request_meta: ContextVar[dict[str, Any] | None] = ContextVar("request_meta", default=None)
command_reason: ContextVar[str] = ContextVar("command_reason", default="")


def find_origin() -> Origin:
    """The client's IP address with the request's `Audit-Reason`, or `?why=` in the admin; outside of requests
    `uid N@machine` with the command's `--why`.
    """
    meta = request_meta.get()
    if meta is None:
        return Origin(f"uid {os.getuid()}@{socket.gethostname()}", clean_reason(command_reason.get()))
    reason = meta.get("HTTP_AUDIT_REASON", "") or parse_qs(meta.get("QUERY_STRING", "")).get("why", [""])[0]
    return Origin(str(client_ip(meta) or ""), clean_reason(reason))


def clean_reason(text: str) -> str:
    return "".join(char for char in text if char.isprintable()).strip()[:MAX_REASON]


def is_within(address: IpAddress, networks: Sequence[IpNetwork]) -> bool:
    """Whether one of `networks` contains `address`. IPv4 and IPv6 never match each other."""
    return any(address.version == network.version and address in network for network in networks)


@lru_cache(maxsize=1000)
def parse_ip(text: str) -> IpAddress | None:
    """An address as proxies write it: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`; otherwise None.

    An IPv4 address inside IPv6 (`::ffff:192.0.2.1`) becomes IPv4, so that it cannot bypass a rule for IPv4.
    """
    host = text.strip()
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address
