"""Asks a submission server whether it would take a login, as health checks do."""

import smtplib

TIMEOUT_SECONDS = 2.0
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
