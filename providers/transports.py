"""From a way out to the transport that speaks its language."""

from urllib.parse import urlsplit

from django.conf import settings

from delivery.envelope import Transport
from delivery.simulator import SimulatorTransport
from delivery.smtp import SmtpTransport
from delivery.smtp_config import Security, SmtpConfig
from providers.addresses import ProviderAddress, parse_provider_url
from providers.choice import Way
from providers.models import Kind


def build_transport(way: Way) -> Transport:
    """A transport for many conversations at once, connections kept open."""
    if way.kind is Kind.SIMULATOR:
        return SimulatorTransport()
    return SmtpTransport(smtp_config(parse_provider_url(way.url)))


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
        helo_name=urlsplit(settings.PUBLIC_URL).hostname or "localhost",
    )
