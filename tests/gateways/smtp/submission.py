"""A submission server that tests send to, and clients for it."""

import asyncio
import smtplib
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from common.listening import BindAddress
from delivery.tls import make_server_context
from gateways.smtp.certificate import keep_certificate
from gateways.smtp.server import SubmissionServer


@dataclass(frozen=True, kw_only=True)
class Submitting:
    """A running server."""

    port: int
    tls_port: int
    certificate: Path

    def connect(self) -> smtplib.SMTP:
        """A client under TLS by STARTTLS, which trusts the server's own certificate alone."""
        client = smtplib.SMTP("127.0.0.1", self.port, timeout=20)
        client.starttls(context=ssl.create_default_context(cafile=str(self.certificate)))
        return client

    def login(self, password: str, user: str = "emailsvc") -> smtplib.SMTP:
        """A client that has logged in."""
        client = self.connect()
        client.login(user, password)
        return client


@contextmanager
def submitting(folder: Path) -> Iterator[Submitting]:
    """A server in a thread of its own."""
    certificate = folder / "submission.pem"
    keep_certificate(certificate, ["localhost", "127.0.0.1"])
    ready, ports, end = threading.Event(), [], []

    async def serve() -> None:
        server, over = SubmissionServer("mail.test", make_server_context(certificate)), asyncio.Event()
        end.append((asyncio.get_running_loop(), over))
        ports.extend(port for _, port in await server.start(BindAddress(), BindAddress()))
        ready.set()
        await over.wait()
        await server.stop()

    thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    thread.start()
    assert ready.wait(60)
    try:
        yield Submitting(port=ports[0], tls_port=ports[1], certificate=certificate)
    finally:
        loop, over = end[0]
        loop.call_soon_threadsafe(over.set)
        thread.join(10)
