"""Transports built from providers."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from threading import Event
from uuid import uuid4

import pytest

from delivery.concurrency import built_apart
from delivery.concurrency.built_apart import AsyncBuiltApart, BuiltApart
from delivery.envelope import Transport
from delivery.simulator.transport import SimulatorTransport
from providers.models import ProviderKind
from providers.provider_url import parse_provider_url
from providers.routing.selection import SIMULATOR, ProviderRef
from providers.transports import build_transport
from tests.smtp_mail import build_delivery, grant_all


def defer(transport: Transport) -> str:
    """The text with which a provider that cannot be used defers mail and is paused."""
    delivery = build_delivery()
    with closing(transport):
        ((recipient_id, reply),) = transport.transmit([delivery], grant_all)
    assert recipient_id == delivery.recipient_id
    assert (reply.outcome, reply.should_pause, reply.has_reached) == ("deferred", True, False)
    return reply.text


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    """Opening it would wait for a writer for ever."""
    path = tmp_path / "pipe.pem"
    os.mkfifo(path)
    return path


def test_a_provider_whose_authorities_are_missing_pauses_and_fails_no_mail(tmp_path: Path, pipe: Path) -> None:
    for path in (tmp_path / "none.pem", tmp_path, pipe):
        address = parse_provider_url(f"smtp://relay.test?tls=starttls&ca={path}")
        transport = build_transport(ProviderRef(uuid4(), "relay", ProviderKind.SMTP, address))
        assert "is not a file" in defer(transport)


@pytest.mark.parametrize("kind", list(ProviderKind))
def test_a_provider_that_cannot_be_read_pauses_and_fails_no_mail(kind: ProviderKind) -> None:
    assert "cannot be read" in defer(build_transport(ProviderRef(uuid4(), "lost", kind)))


def test_the_simulator_needs_no_settings() -> None:
    with closing(build_transport(SIMULATOR)) as transport:
        ((_, reply),) = transport.transmit([build_delivery()], grant_all)
    assert reply.outcome == "delivered"


@pytest.fixture
def hang() -> Iterator[Callable[[], SimulatorTransport]]:
    """A build that lasts until the test ends."""
    ended = Event()

    def build() -> SimulatorTransport:
        ended.wait()
        return SimulatorTransport()

    yield build
    ended.set()


@pytest.mark.parametrize("apart", [AsyncBuiltApart, BuiltApart])
def test_a_build_that_hangs_is_given_up(
    apart: Callable[..., Transport], hang: Callable[[], SimulatorTransport], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(built_apart, "BUILD_SECONDS", 0.05)
    assert "could not be set up" in defer(apart(hang))
