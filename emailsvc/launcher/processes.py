"""Our own programs, in the order in which they start: what `./run` keeps alive."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from emailsvc.embedded.programs import Program
from emailsvc.launcher.data_folder import ROOT

# Seconds to stop in, one stage after the other: with the servers' own less than the ten that a person is promised.
STOP_STAGES = (("beat", "worker", "worker-bulk", "worker-webhooks", "web", "reports"), ("inbox",))
STOP_SECONDS = {"worker": 5.5, "worker-bulk": 5.5, "worker-webhooks": 5.5, "web": 5.0, "inbox": 1.5}

CELERY = ("celery", "-A", "emailsvc.celery:app", "--quiet")
# Neither gossip nor mingle: workers have nothing to tell each other, and mingling takes a second of each start.
WORKER = (*CELERY, "worker", "--without-gossip", "--without-mingle")
WEB = ("gunicorn", "emailsvc.wsgi:application", "-c", "emailsvc/web/gunicorn_config.py")
COMMANDS = {
    "web": WEB,
    "worker": (*WORKER, "-Q", "critical,normal", "-c", "2", "-n", "fast@%h"),
    "worker-bulk": (*WORKER, "-Q", "bulk,periodic", "-c", "1", "-n", "bulk@%h"),
    "worker-webhooks": (*WORKER, "-Q", "webhooks", "-c", "1", "-n", "webhooks@%h"),
    "beat": (*CELERY, "beat"),
}


class Gate:
    """Programs behind it have loaded, and wait until it is opened."""

    def __init__(self) -> None:
        self.entrance, self._bolt = os.pipe()

    def open(self) -> None:
        os.close(self._bolt)


@dataclass(frozen=True, kw_only=True)
class Lineup:
    """What our programs need to be told; `sockets` are the listening descriptors that servers inherit, by program.

    They are ours and outlive a server that dies: clients wait a moment and are not refused, and nobody else can listen
    there meanwhile.
    """

    data: Path
    environment: Mapping[str, str]
    sockets: Mapping[str, int]
    servers_gate: Gate = field(default_factory=Gate)
    database_gate: Gate = field(default_factory=Gate)


def build_lineup(lineup: Lineup) -> list[Program]:
    """In the order in which they start; they wait for the database, and are stopped by `STOP_STAGES`."""
    inbox = ("manage", "run_inbox", "--fd", str(lineup.sockets["inbox"]))
    web = (*COMMANDS["web"], "--bind", f"fd://{lineup.sockets['web']}")
    reports = ("manage", "run_report_listener", "--fd", str(lineup.sockets["reports"]))
    commands = {"inbox": inbox, **COMMANDS, "web": web, "reports": reports}
    return [_program(lineup, lineup.database_gate, name, command) for name, command in commands.items()]


def build_preparation(lineup: Lineup) -> Program:
    """What has to be done before the others start; it waits for the servers, and ends by itself."""
    return _program(lineup, lineup.servers_gate, "prepare", ("manage", "prepare", "--secrets", str(lineup.data)))


def _program(lineup: Lineup, gate: Gate, name: str, command: tuple[str, ...]) -> Program:
    sockets = [lineup.sockets[name]] if name in lineup.sockets else []
    return Program(
        name=name,
        arguments=(sys.executable, "-m", "emailsvc.launcher.start_gate", str(gate.entrance), *command),
        log=lineup.data / "logs" / f"{name}.log",
        environment=lineup.environment,
        folder=ROOT,
        inherited=(gate.entrance, *sockets),
        stop_seconds=STOP_SECONDS.get(name, 2.0),
    )
