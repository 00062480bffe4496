"""Build the transport of a provider."""

from dataclasses import replace
from datetime import timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import structlog
from django.conf import settings

from delivery.concurrency.built_apart import AsyncBuiltApart, BuiltApart
from delivery.dns import parse_name_server
from delivery.envelope import Transport
from delivery.http_client import HttpClient, HttpSeconds
from delivery.mx.mta_sts import HttpsFetcher, PolicyFinder
from delivery.mx.resolver import DnsMxResolver
from delivery.mx.route import MxRouter
from delivery.mx.transport import MxConfig, MxTransport
from delivery.simulator.transport import SimulatorTransport
from delivery.smtp.config import Security, SmtpConfig
from delivery.smtp.transport import SmtpTransport
from delivery.ssrf import Guard
from providers.configuration.checks import check_libraries
from providers.configuration.model import (
    AUTH,
    CLIENT_ID,
    CLIENT_SECRET,
    REFRESH_TOKEN,
    SCOPE,
    TOKEN_MECHANISMS,
    ProviderAddress,
    UnreadableSettingsError,
)
from providers.esp.catalog import ESPS
from providers.esp.transport import EspTransport
from providers.models import ProviderKind
from providers.network_policy import find_guard
from providers.oauth import OAuthClient, OAuthTokens
from providers.refresh_tokens import StoredRefreshToken
from providers.routing.redis_state import SharedLogins, SharedPolicies
from providers.routing.selection import ProviderRef
from providers.routing.shared_breakers import mx_breakers
from providers.services import AUTH_PAUSE

COUNTED_IDLE_LIMIT = timedelta(seconds=5)
# A request for a token is part of a log-in, which has two minutes in all.
TOKEN_SECONDS = HttpSeconds(connect=10.0, write=10.0, answer=20.0)

log = structlog.get_logger(__name__)


def build_transport(provider: ProviderRef) -> Transport:
    """The transport of a provider, for many concurrent conversations, with kept-open connections.

    Returns at once and never raises: it is built in a thread of its own. A provider that cannot be used defers its mail
    and is paused.
    """

    def build() -> Any:
        try:
            return BUILDERS[provider.kind](provider, get_address(provider))
        except Exception as error:
            log.warning("provider_unusable", provider=provider.name, error=str(error))
            raise

    return BuiltApart(build) if provider.kind is ProviderKind.ESP else AsyncBuiltApart(build)


def get_address(provider: ProviderRef) -> ProviderAddress:
    """The provider's settings; UnreadableSettingsError. The built-in simulator has none."""
    if provider.address is not None:
        return provider.address
    if provider.id is None:
        return ProviderAddress(kind=provider.kind)
    raise UnreadableSettingsError("its settings cannot be read")


def takes_own_copies(provider: ProviderRef) -> bool:
    """Whether a provider takes the bytes of each recipient's copy as they are: all but ESPs that build mail anew."""
    if provider.kind is not ProviderKind.ESP:
        return True
    return provider.address is not None and ESPS[provider.address.host].takes_raw


def check_ca_file(path: str) -> str:
    """The path of a file with certificate authorities. OSError for all but regular files, whose reading might wait."""
    if path and not Path(path).is_file():
        raise OSError(f"{path} is not a file")
    return path


def smtp_config(address: ProviderAddress, *, is_operated: bool, provider_id: UUID | None = None) -> SmtpConfig:
    """The settings of an SMTP server. The inbox counts as the recipient's own server: its 250 means delivered."""
    guard = find_guard(is_operated=is_operated)
    return SmtpConfig(
        host=address.host,
        port=address.port,
        is_final=address.kind is ProviderKind.INBOX,
        security=Security(address.tls),
        is_certificate_checked=address.is_certificate_checked,
        ca_file=check_ca_file(address.ca_file),
        username=address.username,
        password=address.password,
        helo_name=helo_name(),
        guard=guard,
        tokens=_build_tokens(address, guard, provider_id),
        token_mechanism=TOKEN_MECHANISMS.get(address.options.get(AUTH, ""), ""),
    )


def _build_tokens(address: ProviderAddress, guard: Guard | None, provider_id: UUID | None) -> OAuthTokens | None:
    """The source of OAuth tokens; None when the provider uses a password or none."""
    options = address.options
    if options.get(AUTH) not in TOKEN_MECHANISMS or address.url is None:
        return None
    client = OAuthClient(
        token_url=address.url.url,
        client_id=options[CLIENT_ID],
        client_secret=options.get(CLIENT_SECRET, ""),
        refresh_token=options.get(REFRESH_TOKEN, ""),
        scope=options.get(SCOPE, ""),
    )
    kept = StoredRefreshToken(provider_id) if provider_id else None
    return OAuthTokens(client, partial(HttpClient, guard, seconds=TOKEN_SECONDS), kept)


def helo_name() -> str:
    """The host name for EHLO: that of PUBLIC_URL, or `localhost`."""
    return urlsplit(settings.PUBLIC_URL).hostname or "localhost"


def _build_smtp(provider: ProviderRef, address: ProviderAddress) -> Transport:
    config = smtp_config(address, is_operated=provider.is_operated, provider_id=provider.id)
    if config.username and provider.id is not None:
        config = replace(config, login_turns=SharedLogins(f"{provider.id}:{provider.version}"), login_pause=AUTH_PAUSE)
    # With a connection limit, idle connections are closed early so that other workers can use their share.
    return SmtpTransport(replace(config, idle_limit=COUNTED_IDLE_LIMIT) if provider.connection_limit else config)


def _build_mx(_way: ProviderRef, address: ProviderAddress) -> Transport:
    guard = Guard(allowed=settings.MX_ALLOWED_NETWORKS)
    resolver = find_resolver()
    helo = address.options.get("helo") or helo_name()
    router = MxRouter(
        resolver=resolver,
        guard=guard,
        policies=PolicyFinder(resolver, HttpsFetcher(guard), SharedPolicies()),
        own_names=frozenset({helo.lower(), helo_name().lower()}),
    )
    config = MxConfig(
        port=address.port,
        helo_name=helo,
        source_address=address.options.get("source", ""),
        ca_file=check_ca_file(address.ca_file),
    )
    return MxTransport(config, router, mx_breakers)


@cache
def find_resolver() -> DnsMxResolver:
    """The process's resolver with its cache."""
    return DnsMxResolver([parse_name_server(text) for text in settings.DNS_SERVERS])


def _build_esp(provider: ProviderRef, address: ProviderAddress) -> Transport:
    check_libraries(address)
    return EspTransport(ESPS[address.host], address.options, HttpClient(find_guard(is_operated=provider.is_operated)))


def _build_simulator(_way: ProviderRef, _address: ProviderAddress) -> Transport:
    return SimulatorTransport()


BUILDERS = {
    ProviderKind.SMTP: _build_smtp,
    ProviderKind.MX: _build_mx,
    ProviderKind.ESP: _build_esp,
    ProviderKind.INBOX: _build_smtp,
    ProviderKind.SIMULATOR: _build_simulator,
}
