"""`ready PROGRAM`: whether a program can do its work, for probes of containers."""

import http.client
import socket
from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.db import DatabaseError

from common.commands import ServiceCommand
from emailsvc.broker_probe import find_broker_obstacle
from emailsvc.launcher.processes import COMMANDS
from emailsvc.web.health import check_database
from gateways.smtp.probe import find_obstacle, find_silence
from ledger.timer import read_node_age
from messages.queue_stats import read_beat_age

SUBMISSION_ADDRESS = "127.0.0.1:587"
TIMEOUT_SECONDS = 2.0
# Workers tell every ten seconds that they live, and beat starts a tick every thirty.
WORKER_SECONDS, BEAT_SECONDS = 30.0, 90.0


def find_web_obstacle(address: str) -> str:
    """Why the web server at the address is not ready; empty if it is."""
    host, _, port = (address or "127.0.0.1:8000").rpartition(":")
    try:
        connection = http.client.HTTPConnection(host.strip("[]"), int(port), timeout=TIMEOUT_SECONDS)
        connection.request("GET", "/readyz", headers={"Host": "localhost"})
        status = connection.getresponse().status
        connection.close()
    except (OSError, ValueError, http.client.HTTPException):
        return "does not answer"
    return "" if status == http.client.OK else f"/readyz answers {status}"


def find_submission_obstacle(address: str) -> str:
    return find_obstacle(address or settings.SUBMISSION_ADDRESS or SUBMISSION_ADDRESS)


def find_worker_obstacle(program: str, name: str) -> str:
    """Why the worker of this machine, or the one of the name, takes no work; empty if it does."""
    if obstacle := find_broker_obstacle():
        return obstacle
    command = COMMANDS[program]
    node = name or command[command.index("-n") + 1].replace("%h", socket.gethostname())
    age = read_node_age(node)
    if age is None:
        return f"no worker {node} has been seen"
    return "" if age <= WORKER_SECONDS else f"no worker {node} seen for {age:.0f} s"


def find_beat_obstacle(_address: str) -> str:
    age = read_beat_age()
    if age is None:
        return "has not run yet"
    return "" if age <= BEAT_SECONDS else f"last ran {age:.0f} s ago"


def by_name(program: str) -> Callable[[str], str]:
    return lambda name: find_worker_obstacle(program, name)


def by_greeting(default: str) -> Callable[[str], str]:
    return lambda address: find_silence(address or default)


# Program → what it lacks beside the database, empty if nothing.
PROGRAMS: Mapping[str, Callable[[str], str]] = {
    "web": find_web_obstacle,
    **{name: by_name(name) for name in COMMANDS if name.startswith("worker")},
    "beat": find_beat_obstacle,
    "reports": by_greeting("127.0.0.1:2526"),
    "inbox": by_greeting("127.0.0.1:2525"),
    "submission": find_submission_obstacle,
}


class Command(ServiceCommand):
    help = "Tell whether a program can do its work; the exit status is 1 if it cannot."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("program", choices=sorted(PROGRAMS))
        parser.add_argument(
            "--address",
            default="",
            help="Where a server listens, host:port; the name of a worker, fast@host. Default: those of this machine.",
        )

    def handle(self, *_: Any, program: str, address: str, **__: Any) -> None:
        try:
            check_database()
            obstacle = PROGRAMS[program](address)
        except DatabaseError:
            obstacle = "the database does not answer"
        if obstacle:
            raise CommandError(f"{program}: {obstacle}")
        self.emit({"program": program, "status": "ready"}, f"{program}: ready")
