"""The configuration of an SMTP server."""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from delivery.judging.terms import About, Speaker
from delivery.smtp.credentials import LoginTurns, TokenSource
from delivery.ssrf import Guard


class Security(StrEnum):
    """When the connection is encrypted."""

    NEVER = "never"
    OPPORTUNISTIC = "opportunistic"  # STARTTLS if offered; in clear if it is not offered or fails (RFC 7435)
    STARTTLS = "starttls"  # STARTTLS, without fallback
    IMPLICIT = "implicit"  # TLS from the first byte (RFC 8314, 3.3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Deadlines, each for a whole stage and not for one read (RFC 5321, 4.5.3.2; it lacks the first three)."""

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

    `address` is the host's address if it has been resolved already; a `guard` limits connections to addresses that it
    admits. `is_final` tells that the server is the recipient's own (its MX, the inbox): a 250 then means `delivered`.
    `server_name` is the name that the certificate must match, by default `host`; it is checked only with
    `is_certificate_checked`, which makes TLS required. `ca_file` replaces the system's authorities.

    The password is sent in clear only to loopback. With `tokens` an OAuth token takes its place, over TLS only, by
    `token_mechanism` if it is offered. After a rejection the credentials are not tried for `login_pause`, in all
    processes that share `login_turns`.
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
    tokens: TokenSource | None = field(default=None, repr=False)
    token_mechanism: str = "XOAUTH2"  # noqa: S105 - a name
    login_turns: LoginTurns | None = field(default=None, repr=False)
    login_pause: timedelta = timedelta(minutes=5)
    helo_name: str = "localhost"
    source_address: str = ""
    timeouts: Timeouts = Timeouts()
    idle_limit: timedelta = timedelta(seconds=60)
    max_messages: int = 100  # per connection; many relays close it after this number

    @property
    def speaker(self) -> Speaker:
        """The party that replies."""
        return Speaker.SERVER if self.is_final else Speaker.RELAY

    @property
    def host_as_subject(self) -> About:
        """The subject of a refusal that is about the host."""
        return About.SERVER if self.is_final else About.PROVIDER
