"""Asking a service that is coming up whether mail can be posted and would be delivered.

Each listener has to name our run in its answer: whoever else answers on one of the ports is an obstacle.
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
GREETING = "220"
GREETING_BYTES = 512
STRANGER = "somebody else answers on port {}"


@dataclass(frozen=True, kw_only=True)
class Ports:
    """Where the service listens on the loopback interface."""

    web: int
    smtp: int
    reports: int
    submission: int
    submission_tls: int


def list_obstacles(ports: Ports, run_id: str) -> list[str]:
    """What is still missing, in words; empty when the service is ready and every listener is of the run `run_id`."""
    return [*list_web_obstacles(ports.web, run_id), *list_smtp_obstacles(ports, run_id)]


def list_web_obstacles(port: int, run_id: str) -> list[str]:
    try:
        answer = ask_readyz(port)
    except (OSError, http.client.HTTPException) as error:
        return [f"web: {error or type(error).__name__}"]
    if answer.get("run_id") != run_id:
        return [f"web: {STRANGER.format(port)}"]
    return [f"{name}: {check['detail']}" for name, check in answer["checks"].items() if check["status"] != "ok"]


def list_smtp_obstacles(ports: Ports, run_id: str) -> list[str]:
    listeners = {"inbox": ports.smtp, "reports": ports.reports, "submission": ports.submission}
    obstacles = {name: find_greeting_obstacle(port, run_id) for name, port in listeners.items()}
    return [f"{name}: {obstacle}" for name, obstacle in obstacles.items() if obstacle]


def ask_readyz(port: int) -> dict[str, Any]:
    """What the web server says; empty when it says something else than `/readyz` does."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=TIMEOUT)
    try:
        connection.request("GET", "/readyz")
        answer = json.loads(connection.getresponse().read())
    except ValueError:
        return {}
    finally:
        connection.close()
    return answer if isinstance(answer, dict) else {}


def find_greeting_obstacle(port: int, run_id: str) -> str:
    """Why what listens there is not yet our SMTP server, empty when it is."""
    try:
        with (
            socket.create_connection((LOOPBACK, port), timeout=GREETING_SECONDS) as connection,
            connection.makefile("rb") as answers,
        ):
            code, *words = answers.readline(GREETING_BYTES).decode("ascii", "replace").split() or [""]
    except OSError:
        code, words = "", []
    if not code:
        return f"no greeting on port {port}"
    return "" if code == GREETING and run_id in words else STRANGER.format(port)
