"""The supervisor with short shell scripts as programs, which record what happens to them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from emailsvc.embedded.programs import Program, start, stop
from emailsvc.launcher.supervisor import RESTART_WAITS, Supervisor

# Starts a program that has a child of its own, as gunicorn and Celery have, and waits to be killed.
PARENT = """
import sys, time
from pathlib import Path
from emailsvc.embedded.programs import Program, start
start(Program(
    name="one", arguments=(sys.executable, "-c", sys.argv[2]), log=Path(sys.argv[1]), folder=Path.cwd()
))
time.sleep(60)
"""
WITH_CHILD = """
import os, signal, time
from emailsvc.embedded.parent_death import die_with_parent
parent = os.getpid()
child = os.fork()
if child == 0:
    die_with_parent(parent, signal.SIGKILL)
print(os.getpid(), flush=True)
time.sleep(60)
"""


class Clock:
    """The monotonic clock, moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def build(tmp_path: Path) -> Callable[..., Program]:
    def build_program(name: str, script: str, **options: object) -> Program:
        return Program(name=name, arguments=("/bin/sh", "-c", script), log=tmp_path / f"{name}.log", **options)

    return build_program


def await_true(condition: Callable[[], object], seconds: float = 10.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)


def is_alive(number: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{number}/status").read_text()
    except OSError:
        return False


def test_a_dead_program_is_restarted_with_growing_delays(build: Callable[..., Program], tmp_path: Path) -> None:
    clock, told = Clock(), list[str]()
    supervisor = Supervisor(told.append, clock)
    supervisor.watch([start(build("fragile", "echo born; exit 3"))])
    for count, wait in enumerate(RESTART_WAITS[:4], start=1):
        await_true(lambda count=count: (supervisor.tend(), len(told) == 2 * count)[-1])
        assert f"fragile ended (exit status 3), starting it again in {wait:g} s" in told[-2]
        assert told[-1] == "born"
        # The first restart has no wait: it may have been born again by now.
        assert (tmp_path / "fragile.log").read_text().split() in (["born"] * count, ["born"] * (count + (wait == 0)))
        if not wait:
            continue
        clock.now += wait * 0.99
        supervisor.tend()
        assert len(told) == 2 * count
        clock.now += wait * 0.02


def test_a_recovered_program_is_restarted_at_once(build: Callable[..., Program]) -> None:
    clock, told = Clock(), list[str]()
    supervisor = Supervisor(told.append, clock)
    child = start(build("steady", "sleep 60"))
    supervisor.watch([child])
    for _ in range(3):
        clock.now += 31
        number = child.process.pid
        child.process.kill()
        await_true(lambda number=number: (supervisor.tend(), child.process.pid != number)[-1])
    supervisor.stop(["steady"])
    assert [line for line in told if "ended" in line and "(SIGKILL), starting it again in 0 s" not in line] == []


def test_a_dead_programs_children_are_killed_before_the_restart(build: Callable[..., Program], tmp_path: Path) -> None:
    supervisor = Supervisor(lambda _text: None)
    child = start(build("parent", "sleep 60 & echo $!; wait"))
    supervisor.watch([child])
    log = tmp_path / "parent.log"
    await_true(lambda: log.read_text().strip())
    grandchild = int(log.read_text())
    child.process.kill()
    await_true(lambda: (supervisor.tend(), len(log.read_text().split()) == 2)[-1])
    assert not is_alive(grandchild)
    supervisor.stop(["parent"])


def test_stopping_waits_for_an_orderly_end_and_kills_hanging_programs(
    build: Callable[..., Program], tmp_path: Path
) -> None:
    orderly = start(build("orderly", "trap 'echo goodbye; exit 0' TERM; echo up; while :; do sleep 0.05; done"))
    deaf = start(build("deaf", "trap '' TERM; echo up; while :; do sleep 0.05; done", stop_seconds=0.5))
    await_true(lambda: "up" in (tmp_path / "orderly.log").read_text() and "up" in (tmp_path / "deaf.log").read_text())
    assert stop([orderly, deaf]) == ["deaf"]
    assert (tmp_path / "orderly.log").read_text().endswith("goodbye\n")


def test_a_stopped_program_is_not_restarted(build: Callable[..., Program], tmp_path: Path) -> None:
    told = list[str]()
    supervisor = Supervisor(told.append)
    supervisor.watch([start(build("one", "echo born; sleep 60")), start(build("two", "sleep 60"))])
    await_true(lambda: "born" in (tmp_path / "one.log").read_text())
    supervisor.stop(["one"])
    supervisor.tend()
    supervisor.stop(["two"])
    assert told == []
    assert (tmp_path / "one.log").read_text() == "born\n"


def test_a_killed_parent_takes_its_programs_and_their_children_along(tmp_path: Path) -> None:
    log = tmp_path / "one.log"
    with subprocess.Popen([sys.executable, "-c", PARENT, str(log), WITH_CHILD]) as parent:
        await_true(lambda: log.exists() and len(log.read_text().split()) == 2)
        parent.send_signal(signal.SIGKILL)
    numbers = [int(word) for word in log.read_text().split()]
    assert os.getpid() not in numbers
    await_true(lambda: not any(is_alive(number) for number in numbers), seconds=3.0)
