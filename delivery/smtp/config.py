"""How an SMTP server is reached and used."""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from delivery.ssrf import Guard


class Security(StrEnum):
    """When the line is encrypted."""

    NEVER = "never"
    OPPORTUNISTIC = "opportunistic"  # STARTTLS where offered; in clear where it is not, or fails (RFC 7435)
    STARTTLS = "starttls"  # STARTTLS or nothing
    IMPLICIT = "implicit"  # TLS from the first byte (RFC 8314, 3.3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Deadlines, each for its whole stage and not for one read (RFC 5321, 4.5.3.2; the first three are not in it)."""

    connect: timedelta = timedelta(seconds=30)
    tls: timedelta = timedelta(seconds=60)
    auth: timedelta = timedelta(minutes=2)
    greeting: timedelta = timedelta(minutes=5)
    ehlo: timedelta = timedelta(minutes=5)
    mail: timedelta = timedelta(minutes=5)
    rcpt: timedelta = timedelta(minutes=5)
    data: timedelta = timedelta(minutes=2)
    block: timedelta = timedelta(minutes=3)  # for 64 KiB of content
    dot: timedelta = timedelta(minutes=10)
    quit: timedelta = timedelta(seconds=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpConfig:
    """One server.

    `address` is where the host is, when that is known and must not be asked again; with a `guard`, only addresses that
    it admits are connected to. `is_final` tells that the server is the recipient's own (its MX, the inbox): a 250 is
    then `delivered`. `server_name` is the name that its certificate must carry, by default `host`; it is checked only
    with `is_certificate_checked`, which makes TLS required. `ca_file` replaces the system's authorities. Credentials
    go over a line in clear only to loopback, or with `is_clear_auth_allowed`.
    """

    host: str
    address: str = ""
    guard: Guard | None = None
    port: int = 25
    is_final: bool = False
    security: Security = Security.OPPORTUNISTIC
    is_certificate_checked: bool = False
    ca_file: str = ""
    server_name: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    is_clear_auth_allowed: bool = False
    helo_name: str = "localhost"
    source_address: str = ""
    timeouts: Timeouts = Timeouts()
    idle_limit: timedelta = timedelta(seconds=60)
    max_messages: int = 100  # on one connection; many relays close after as many
