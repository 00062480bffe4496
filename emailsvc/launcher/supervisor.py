"""Keeping programs alive: what dies is started again, with growing waits, until somebody asks us to stop."""

import os
import select
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import FrameType

from emailsvc.embedded.programs import Child, has_ended, kill_group, restart, stop, tail

# Seconds before the first, second, … restart in a row; the last one repeats.
RESTART_WAITS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0)
# One that lived this long has recovered: its next restart is a first one again.
RECOVERED_SECONDS = 30.0
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Alarm:
    """Waits that end early when a child ends or somebody asks us to stop. One per process, in its main thread."""

    def __init__(self) -> None:
        self.stop_count = 0
        self._reader, writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for number in STOP_SIGNALS:
            signal.signal(number, self._count_stop)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)

    def _count_stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stop_count += 1

    @property
    def is_stopping(self) -> bool:
        return self.stop_count > 0

    def wait(self, seconds: float) -> None:
        """Sleep until a signal comes, at most `seconds`."""
        if select.select([self._reader], [], [], seconds)[0]:
            os.read(self._reader, 4096)


@dataclass(kw_only=True)
class Watched:
    """A child under watch; the times are of the monotonic clock."""

    child: Child
    started_at: float
    restart_at: float | None = None
    failure_count: int = 0


class Supervisor:
    """Children in the order of their start, which is the reverse of the order of their stop."""

    def __init__(self, tell: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._tell = tell
        self._clock = clock
        self._watched: list[Watched] = []

    def watch(self, children: Iterable[Child]) -> None:
        """Look after these from now on."""
        self._watched += [Watched(child=child, started_at=self._clock()) for child in children]

    def tend(self) -> None:
        """One round: note who has ended, start again whose wait is over."""
        now = self._clock()
        for watched in self._watched:
            if watched.restart_at is None and has_ended(watched.child):
                self._plan_restart(watched, now)
            if watched.restart_at is not None and watched.restart_at <= now:
                restart(watched.child)
                watched.started_at, watched.restart_at = now, None

    def _plan_restart(self, watched: Watched, now: float) -> None:
        program = watched.child.program
        if now - watched.started_at > RECOVERED_SECONDS:
            watched.failure_count = 0
        wait = RESTART_WAITS[min(watched.failure_count, len(RESTART_WAITS) - 1)]
        watched.failure_count += 1
        watched.restart_at = now + wait
        code = watched.child.process.wait()
        ending = f"exit status {code}" if code >= 0 else signal.Signals(-code).name
        self._tell(f"{program.name} ended ({ending}), starting it again in {wait:g} s; {program.log}:")
        self._tell(tail(watched.child))

    def stop(self, names: Iterable[str]) -> None:
        """Stop the named children together and watch them no more; tells who had to be killed."""
        wanted = set(names)
        leaving = [watched for watched in self._watched if watched.child.program.name in wanted]
        self._watched = [watched for watched in self._watched if watched not in leaving]
        for name in stop([watched.child for watched in leaving]):
            self._tell(f"{name} did not stop in time and was killed")

    def kill(self) -> None:
        """End everything at once."""
        for watched in self._watched:
            if not has_ended(watched.child):
                kill_group(watched.child)
