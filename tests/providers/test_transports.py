"""Transports built from providers."""

from pathlib import Path
from uuid import uuid4

from providers.models import ProviderKind
from providers.routing.selection import ProviderRef
from providers.transports import BrokenTransport, build_transport
from tests.smtp_mail import build_delivery, grant_all


def test_a_provider_that_cannot_be_used_pauses_and_fails_no_mail(tmp_path: Path) -> None:
    url = f"smtp://relay.test?tls=starttls&ca={tmp_path / 'none.pem'}"
    transport = build_transport(ProviderRef(uuid4(), "relay", ProviderKind.SMTP, url))
    assert isinstance(transport, BrokenTransport)
    delivery = build_delivery()
    ((recipient_id, reply),) = transport.transmit([delivery], grant_all)
    assert recipient_id == delivery.recipient_id
    assert (reply.outcome, reply.should_pause, reply.has_reached) == ("deferred", True, False)
