"""Our own programs, in the order in which they start: what `./run` keeps alive."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from emailsvc.embedded.programs import Program
from emailsvc.session import ROOT

CELERY = ("-m", "celery", "-A", "emailsvc.celery:app", "--quiet")
# Seconds to stop in, together less than the ten that a person at the keyboard is promised.
STOP_STAGES = (("beat", "worker-bulk", "worker"), ("web", "inbox"))
STOP_SECONDS = {"worker": 4.0, "worker-bulk": 4.0}


@dataclass(frozen=True, kw_only=True)
class Lineup:
    """What our programs need to be told. `web_socket` is the listening descriptor that the web server inherits."""

    data: Path
    environment: Mapping[str, str]
    web_socket: int
    smtp_port: int


def build_lineup(lineup: Lineup) -> list[Program]:
    """Inbox before web before workers before beat; they are stopped the other way round."""
    return [
        _program(lineup, "inbox", ("manage.py", "run_inbox", "--host", "127.0.0.1", "--port", str(lineup.smtp_port))),
        _program(
            lineup,
            "web",
            ("-m", "gunicorn", "emailsvc.wsgi:application", "-c", "emailsvc/gunicorn.py"),
            # The socket is ours and outlives a web server that dies: clients wait a moment and are not refused.
            ("--bind", f"fd://{lineup.web_socket}"),
            inherited=(lineup.web_socket,),
        ),
        _program(lineup, "worker", CELERY, ("worker", "-Q", "critical,normal", "-c", "2", "-n", "fast@%h")),
        _program(lineup, "worker-bulk", CELERY, ("worker", "-Q", "bulk,periodic", "-c", "1", "-n", "bulk@%h")),
        _program(lineup, "beat", CELERY, ("beat", "--pidfile", "")),
    ]


def build_preparation(lineup: Lineup) -> Program:
    """What has to be done before the others start; it ends by itself."""
    return _program(lineup, "prepare", ("manage.py", "prepare", "--secrets", str(lineup.data)))


def _program(lineup: Lineup, name: str, *words: tuple[str, ...], inherited: tuple[int, ...] = ()) -> Program:
    return Program(
        name=name,
        arguments=(sys.executable, *(word for part in words for word in part)),
        log=lineup.data / "logs" / f"{name}.log",
        environment=lineup.environment,
        folder=ROOT,
        inherited=inherited,
        stop_seconds=STOP_SECONDS.get(name, 2.0),
    )
