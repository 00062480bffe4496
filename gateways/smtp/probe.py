"""Asks SMTP servers of the service whether they would take mail, as health checks do."""

import smtplib
import socket

TIMEOUT_SECONDS = 2.0
GREETING_BYTES = 512
NO_ANSWER = "does not answer"
NO_TLS = "offers no STARTTLS"


def find_obstacle(address: str) -> str:
    """Why the server at `host:port` takes no mail; empty if it does."""
    host, _, port = address.rpartition(":")
    try:
        with smtplib.SMTP(host.strip("[]"), int(port), timeout=TIMEOUT_SECONDS) as client:
            client.ehlo()
            return "" if client.has_extn("starttls") else NO_TLS
    except (OSError, ValueError):  # smtplib's own errors are of the first kind
        return NO_ANSWER


def find_silence(address: str) -> str:
    """Why the SMTP or LMTP server at `host:port` takes no mail; empty if it greets."""
    host, _, port = address.rpartition(":")
    try:
        with (
            socket.create_connection((host.strip("[]"), int(port)), TIMEOUT_SECONDS) as line,
            line.makefile("rb") as said,
        ):
            greeting = said.readline(GREETING_BYTES)
    except (OSError, ValueError):
        return NO_ANSWER
    return "" if greeting.startswith(b"220") else "does not greet"
