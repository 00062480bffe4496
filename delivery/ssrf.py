"""The guard against server-side request forgery by URLs of callers.

There are two checks: `parse_target` rejects URLs with an ambiguous host, and `Guard.find_addresses` rejects hosts at
addresses that are not public. Connect only to an address that it returned: the name may resolve to a different one a
moment later (DNS rebinding).
"""

import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

IpAddress: TypeAlias = IPv4Address | IPv6Address
IpNetwork: TypeAlias = IPv4Network | IPv6Network
# Blocking; OSError (of which gaierror is one) or UnicodeError when the name cannot be resolved.
Resolve = Callable[[str, int], Sequence[IpAddress]]

MAX_URL = 2048
PORTS = {"http": 80, "https": 443}
# The maximum of returned addresses, so that a name with a thousand addresses does not cost a thousand attempts.
MAX_ADDRESSES = 8

# RFC 3986 without the parts on which parsers disagree: user names, backslashes, spaces, empty ports, fragments.
_PATH_SIGN = r"[!$%&'()*+,\-./0-9:;=@A-Z_a-z~\[\]|^{}\"]"
_QUERY = r"\?[!$%&'()*+,\-./0-9:;=?@A-Z_a-z~\[\]|^{}\"]*"
_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[1-9][0-9]{0,4}))?"
    rf"(?P<path>/{_PATH_SIGN}*)?(?P<query>{_QUERY})?"
)
_PATH = re.compile(rf"/{_PATH_SIGN}*(?:{_QUERY})?")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NO_NAME = "The host must be a name (in ASCII, as xn--…) or an address."
_NO_IPV6 = "An IPv6 address must be written in its canonical form, as 2001:db8::1."
# A last label that the WHATWG's URL standard and inet_aton parse as a number, which makes the host an address.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")

# IANA's special-purpose registries (RFC 6890 and its updates), listed here because Python's `is_global` differs between
# releases; a test compares the two.
_CLOSED_V4 = [
    ip_network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24"),
        *("203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
    )
]
# Only 2000::/3 is assigned as global unicast. All other networks hold loopback, link-local, private and multicast
# addresses, or embed an unchecked IPv4 address: ::ffff:0:0/96 (mapped) and 64:ff9b::/96 (NAT64).
_OPEN_V6 = IPv6Network("2000::/3")
# 2001::/23 holds Teredo, 2002::/16 is 6to4: both embed an IPv4 address too. The others are for documentation.
_CLOSED_V6 = [ip_network(text) for text in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")]


class RefusedError(Exception):
    """The guard rejects a URL or host. `code` is for programs, the message for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlTarget:
    """A parsed URL. `host` is a lower-case name, an IPv4 address, or an IPv6 address without brackets; `path` includes
    the query and is at least `/`.
    """

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """The Host header (RFC 9110, 7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The URL in canonical form."""
        return f"{self.scheme}://{self.authority}{self.path}"


def parse_target(url: str) -> UrlTarget:
    """Parse an http or https URL. RefusedError (`invalid_url`, `invalid_host`) for any other or unusual URL.

    A host is a name of ASCII labels, an IPv4 address as four decimal numbers, or a bracketed IPv6 address in its
    canonical form (RFC 5952); `2130706433`, `0x7f.1`, `0177.0.0.1`, `127.1` and `[::ffff:127.0.0.1]` are rejected.
    """
    match = _URL.fullmatch(url)
    if match is None or len(url) > MAX_URL:
        raise RefusedError(
            "invalid_url",
            "Must be http:// or https:// with a host and no user name or fragment, in ASCII (names as xn--…), "
            f"at most {MAX_URL} characters.",
        )
    host = match["host"]
    if host.startswith("["):
        host = host[1:-1]
        if ":" not in host:
            raise RefusedError("invalid_host", _NO_IPV6)
    return build_target(
        scheme=match["scheme"],
        host=host,
        port=int(match["port"] or PORTS[match["scheme"]]),
        path=(match["path"] or "/") + (match["query"] or ""),
    )


def build_target(*, scheme: str, host: str, port: int, path: str) -> UrlTarget:
    """The target of these parts, each checked as in a URL. RefusedError (`invalid_url`, `invalid_host`)."""
    if not 0 < port < 65536:
        raise RefusedError("invalid_url", "The port must be at most 65535.")
    if scheme not in PORTS or not _PATH.fullmatch(path) or len(path) > MAX_URL:
        raise RefusedError("invalid_url", f"Must be http or https with an ASCII path, at most {MAX_URL} characters.")
    return UrlTarget(scheme=scheme, host=check_host(host), port=port, path=path)


def check_host(host: str) -> str:
    """The host in lower case. RefusedError (`invalid_host`) for all but names of ASCII labels, IPv4 addresses as four
    decimal numbers, and IPv6 addresses in their canonical form without brackets.
    """
    # Characters outside ASCII first: some, such as the Kelvin sign, are a letter of ASCII in lower case.
    if not host.isascii():
        raise RefusedError("invalid_host", _NO_NAME)
    host = host.lower()
    if ":" in host:
        return _check_ipv6(host)
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in host.split(".")):
        raise RefusedError("invalid_host", _NO_NAME)
    if _NUMBER.fullmatch(host.rpartition(".")[2]) and not _is_dotted(host):
        raise RefusedError("invalid_host", "An IPv4 address must be written as four decimal numbers, as 192.0.2.1.")
    return host


def _is_dotted(host: str) -> bool:
    try:
        return str(IPv4Address(host)) == host
    except ValueError:
        return False


def _check_ipv6(text: str) -> str:
    try:
        address = IPv6Address(text)
    except ValueError:
        address = None
    if address is None or address.compressed != text or address.scope_id:
        raise RefusedError("invalid_host", _NO_IPV6)
    if address.ipv4_mapped:
        raise RefusedError("invalid_host", "An IPv4 address must be written as four decimal numbers, as 192.0.2.1.")
    return text


def is_public(address: IpAddress) -> bool:
    """Whether the address is public: not of a special-purpose network, and without an embedded IPv4 address."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _CLOSED_V4)
    return address in _OPEN_V6 and not any(address in network for network in _CLOSED_V6)


def resolve_by_system(host: str, port: int) -> list[IpAddress]:
    """The addresses that the system resolver returns for a name, including the hosts file, in order of preference."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    # A scope (`fe80::1%eth0`) belongs to an address that is rejected anyway.
    addresses = [ip_address(str(sockaddr[0]).partition("%")[0]) for *_, sockaddr in found]
    return list(dict.fromkeys(addresses))


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """A filter for connections: it admits public addresses and those in `allowed` networks."""

    allowed: Sequence[IpNetwork] = ()
    resolve: Resolve = resolve_by_system

    def admits(self, address: IpAddress) -> bool:
        """Whether connections to this address are allowed. IPv4 networks do not match IPv6 addresses."""
        is_allowed = any(address.version == network.version and address in network for network in self.allowed)
        return is_allowed or is_public(address)

    def find_addresses(self, host: str, port: int) -> list[IpAddress]:
        """The current addresses of `host` (of a `UrlTarget`), at least one.

        RefusedError (`forbidden_address`) when any address is forbidden, since a name with mixed addresses is a mistake
        or an attack. OSError when the name cannot be resolved. Blocks on the DNS.
        """
        addresses = self._look_up(host, port)
        if not addresses:
            raise OSError(f"{host} has no address")
        if any(not self.admits(address) for address in addresses):
            # The message omits the address, which would reveal the internal network.
            raise RefusedError("forbidden_address", f"{host} is not at a public address.")
        return addresses[:MAX_ADDRESSES]

    def _look_up(self, host: str, port: int) -> list[IpAddress]:
        try:
            return [ip_address(host)]
        except ValueError:
            pass
        try:
            return list(self.resolve(host, port))
        except UnicodeError:
            raise OSError(f"{host} cannot be resolved") from None
