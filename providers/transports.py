"""From a way out to the transport that speaks its language."""

from collections.abc import Sequence
from urllib.parse import urlsplit

import structlog
from django.conf import settings

from delivery.envelope import Delivery, Outcome, Reply, Stage, Transport
from delivery.simulator import SimulatorTransport
from delivery.smtp import SmtpTransport
from delivery.smtp_config import Security, SmtpConfig
from delivery.steps import Said, SteppedTransport, Steps
from providers.addresses import ProviderAddress, ProviderUrlError, parse_provider_url
from providers.choice import Way
from providers.models import Kind

log = structlog.get_logger(__name__)


class BrokenTransport(SteppedTransport):
    """Stands in for a provider that cannot be used as it is configured: pauses it, and no mail suffers."""

    def __init__(self, reason: str) -> None:
        self._reply = Reply(outcome=Outcome.DEFERRED, stage=Stage.CONNECT, text=reason, should_pause=True)

    def converse(self, deliveries: Sequence[Delivery]) -> Steps[None]:
        for delivery in deliveries:
            yield Said(delivery.recipient_id, self._reply)

    def close(self) -> None:
        """Nothing is held."""


def build_transport(way: Way) -> Transport:
    """A transport for many conversations at once, connections kept open. Never an error: see BrokenTransport."""
    try:
        return BUILDERS[way.kind](parse_provider_url(way.url or f"{way.kind}:"))
    except (ProviderUrlError, OSError, KeyError) as error:
        log.warning("provider_unusable", provider=way.name, error=str(error))
        return BrokenTransport(f"the provider cannot be used as it is configured: {error}")


def smtp_config(address: ProviderAddress) -> SmtpConfig:
    """The inbox stands for the recipient's own server, so that its 250 is a delivery; a relay's is not."""
    return SmtpConfig(
        host=address.host,
        port=address.port,
        is_final=address.kind is Kind.INBOX,
        security=Security(address.tls),
        is_certificate_checked=address.is_certificate_checked,
        ca_file=address.ca_file,
        username=address.username,
        password=address.password,
        helo_name=helo_name(),
    )


def helo_name() -> str:
    """What we call ourselves."""
    return urlsplit(settings.PUBLIC_URL).hostname or "localhost"


def _build_smtp(address: ProviderAddress) -> Transport:
    return SmtpTransport(smtp_config(address))


def _build_simulator(_address: ProviderAddress) -> Transport:
    return SimulatorTransport()


BUILDERS = {Kind.SMTP: _build_smtp, Kind.INBOX: _build_smtp, Kind.SIMULATOR: _build_simulator}
