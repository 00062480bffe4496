"""Asking a service that is coming up whether mail can be posted and would be delivered.

Our own processes alone can answer: `./run` holds the sockets, and the programs inherit them.
"""

import http.client
import json
import socket
from dataclasses import dataclass
from typing import Any

from emailsvc.launcher.ports import LOOPBACK

TIMEOUT = 5.0
# A server that has not loaded yet leaves the connection waiting; it is asked again.
GREETING_SECONDS = 1.0
GREETING = b"220"


@dataclass(frozen=True, kw_only=True)
class Ports:
    """Where the service listens on the loopback interface."""

    web: int
    smtp: int
    reports: int


def list_obstacles(ports: Ports) -> list[str]:
    """What is still missing, in words; empty when the service is ready."""
    try:
        answer = ask_readyz(ports.web)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return [f"web: {error or type(error).__name__}"]
    obstacles = [f"{name}: {check['detail']}" for name, check in answer["checks"].items() if check["status"] != "ok"]
    servers = {"inbox": ports.smtp, "reports": ports.reports}
    return obstacles + [f"{name}: no greeting on port {port}" for name, port in servers.items() if not greets(port)]


def ask_readyz(port: int) -> Any:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=TIMEOUT)
    try:
        connection.request("GET", "/readyz")
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def greets(port: int) -> bool:
    """Whether an SMTP server answers there."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=GREETING_SECONDS) as connection:
            return connection.recv(3) == GREETING
    except OSError:
        return False
