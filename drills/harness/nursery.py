"""A process that has loaded the whole product once, and forks our programs.

A drill starts dozens of workers, and loading Django and Celery costs each of them seconds of processor time. The forked
programs run the command lines of `./run`, each in its own session.
"""

import gc
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import NoReturn

import time_machine
from django.conf import settings as django_settings

from drills.harness.processes import is_alive
from drills.harness.scaled import lose_patience
from emailsvc.embedded.parent_death import die_with_parent
from emailsvc.launcher.forking import become
from emailsvc.launcher.preload import import_product

MESSAGE_BYTES = 65_536


@dataclass(frozen=True, kw_only=True)
class Request:
    """A program to run: its command line, its log, and its differences from the other programs.

    `shift` moves its wall clock, and that of its children, by so many seconds. `settings` override Django's, which are
    loaded already. With `patience` it waits only so many seconds for a relay's or an ESP's final reply.
    """

    words: Sequence[str]
    log: str
    shift: float = 0.0
    settings: Mapping[str, int] = field(default_factory=dict)
    patience: float = 0.0


class Nursery:
    """Forks programs for the process that created it, from which it is itself forked: create it before any thread runs.

    `changes` are applied once in the nursery: their patches affect our programs only.
    """

    def __init__(self, changes: Sequence[Callable[[], None]]) -> None:
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._lock = threading.Lock()
        parent = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            self._line.close()
            die_with_parent(parent, signal.SIGKILL)
            run_nursery(theirs, changes)
        theirs.close()

    def start(self, request: Request) -> int:
        """Run the module `words[0]` as if by `python -m …`; returns the number of its process."""
        with self._lock:
            self._line.sendall(json.dumps(asdict(request)).encode())
            answer = self._line.recv(MESSAGE_BYTES)
        if not answer:
            raise RuntimeError("the nursery has died")
        return int(answer)

    def close(self) -> None:
        """End it, and with it all programs that it has started."""
        self._line.close()
        if is_alive(self.pid):
            os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def run_nursery(line: socket.socket, changes: Sequence[Callable[[], None]]) -> NoReturn:
    """Load the product, then fork on request until the connection is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Ended children are not waited for.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    import_product()
    for change in changes:
        change()
    # Celery collects garbage before it forks each child: here there is none, and the search takes half of a start.
    gc.freeze()
    while request := line.recv(MESSAGE_BYTES):
        nursery = os.getpid()
        pid = os.fork()
        if pid == 0:
            line.close()
            begin(Request(**json.loads(request)), nursery)
        line.sendall(str(pid).encode())
    os._exit(0)


def begin(request: Request, parent: int) -> NoReturn:
    become(request.words, partial(leave_home, request, parent))


def leave_home(request: Request, parent: int) -> None:
    """Give the program its own session, signals, log, settings and clock, and end it with its parent."""
    os.setsid()
    die_with_parent(parent, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    log = os.open(request.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    for name, value in request.settings.items():
        setattr(django_settings, name, value)
    if request.patience:
        lose_patience(request.patience)
    if request.shift:
        time_machine.travel(time.time() + request.shift, tick=True).start()
