"""Mail for the tests of the SMTP transport, and a short way to send it."""

from collections.abc import Collection, Sequence
from contextlib import closing
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from delivery.envelope import Delivery, Reply
from delivery.smtp.config import SmtpConfig, Timeouts
from delivery.smtp.transport import SmtpTransport
from tests.smtp_server import SmtpServer

CONTENT = b"Subject: hello\r\nFrom: a@sender.test\r\n\r\nDear you,\r\n"
# No test waits longer than this for anything, unless it says so.
PATIENT = timedelta(seconds=10)
FIELDS = ("connect", "tls", "auth", "greeting", "ehlo", "mail", "rcpt", "data", "block", "dot", "quit")


def build_delivery(**values: Any) -> Delivery:
    """A delivery to one@rcpt.test."""
    usual = {
        "recipient_id": uuid4(),
        "message_id": uuid4(),
        "return_path": "bounces@sender.test",
        "address": "one@rcpt.test",
        "content": CONTENT,
    }
    return Delivery(**{**usual, **values})


def build_timeouts(**seconds: float) -> Timeouts:
    """All are PATIENT but those given."""
    return Timeouts(**{name: timedelta(seconds=seconds[name]) if name in seconds else PATIENT for name in FIELDS})


def build_transport(server: SmtpServer, **values: Any) -> SmtpTransport:
    """A transport to `server`."""
    return SmtpTransport(
        SmtpConfig(**{"host": "127.0.0.1", "port": server.port, "timeouts": build_timeouts(), **values})
    )


def grant_all(ids: Collection[UUID]) -> Collection[UUID]:
    """A `before_dot` that lets everything pass."""
    return ids


def send_all(transport: SmtpTransport, deliveries: Sequence[Delivery]) -> list[Reply]:
    """The replies, in the order of the deliveries; each must have one."""
    replies = dict(transport.transmit(deliveries, grant_all))
    return [replies[delivery.recipient_id] for delivery in deliveries]


def send(transport: SmtpTransport, **values: Any) -> Reply:
    """Hand over one delivery made of `values`."""
    return send_all(transport, [build_delivery(**values)])[0]


def send_to(server: SmtpServer, delivery: Delivery | None = None, **values: Any) -> Reply:
    """Hand over `delivery`, or a usual one, by a transport of its own, made with `values`."""
    with closing(build_transport(server, **values)) as transport:
        return send_all(transport, [delivery or build_delivery()])[0]
