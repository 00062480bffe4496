"""Programs as forks of a process that has loaded them: what a fork takes along, and what it does not."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from emailsvc.launcher import preload

# A process that forks one program, as `./run` does, and says how it ended. The program is a module of its own folder.
PARENT = """
import os, signal, socket, sys, threading
from pathlib import Path
sys.path[:0] = [sys.argv[1]]
from emailsvc.embedded.programs import Program, has_ended, start, stop
from emailsvc.launcher.forking import fork_program
from emailsvc.launcher.supervisor import Alarm
folder = Path(sys.argv[1])
alarm = Alarm()
loaded_here = True
mine, given = os.open(folder, os.O_RDONLY), socket.socket()
given.bind(("127.0.0.1", 0))
child = start(Program(
    name="one", arguments=("forked_program", *sys.argv[2:], str(mine), str(given.fileno())), log=folder / "one.log",
    folder=folder, inherited=(given.fileno(),), begin=fork_program,
))
print(child.process.pid, flush=True)
while not has_ended(child) and not alarm.is_stopping:
    alarm.wait(0.5)
print(stop([child]), child.process.returncode, flush=True)
"""
PROGRAM = """
import json, os, signal, sys, time
what, mine, given = sys.argv[1], *map(int, sys.argv[2:])
if what == "fail":
    sys.exit("no such thing")
if what == "break":
    raise ZeroDivisionError
said = {
    "argv": sys.argv, "name": __name__, "group": os.getpgrp() == os.getpid(), "folder": os.getcwd(),
    "open": sorted(int(name) for name in os.listdir("/dev/fd")), "mine": mine, "given": given,
    "handlers": [int(signal.getsignal(number)) for number in (signal.SIGTERM, signal.SIGCHLD, signal.SIGHUP)],
    "path": os.environ["PATH"], "title": open("/proc/self/cmdline").read().rstrip(chr(0)),
    "blocked": len(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
}
print(json.dumps(said))
print("ready", file=sys.stderr)
time.sleep(60 if what == "stay" else 0)
"""


@pytest.fixture
def run_parent(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    (tmp_path / "forked_program.py").write_text(PROGRAM)
    # With PYTHONUNBUFFERED, lines would come at once whatever the fork does.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}

    def run(*words: str) -> subprocess.Popen[str]:
        arguments = [sys.executable, "-c", PARENT, str(tmp_path), *words]
        return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=environment)

    return run


def await_text(path: Path, text: str) -> None:
    until = time.monotonic() + 20
    while not (path.exists() and text in path.read_text()):
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)


def is_alive(number: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{number}/status").read_text()
    except OSError:
        return False


def test_a_fork_is_a_program_of_its_own(run_parent: Callable[..., subprocess.Popen[str]], tmp_path: Path) -> None:
    with run_parent("go") as parent:
        number, ended = parent.communicate(timeout=60)[0].splitlines()
    assert ended == "[] 0"
    first, second = (tmp_path / "one.log").read_text().splitlines()
    said = json.loads(first)
    assert said["argv"][1:] == ["go", str(said["mine"]), str(said["given"])]
    assert (said["name"], said["group"], said["folder"], said["blocked"]) == ("__main__", True, str(tmp_path), 0)
    assert said["handlers"] == [signal.SIG_DFL] * 3
    # The descriptor that listed them is open too, under the first free number.
    assert {0, 1, 2, said["given"]} < set(said["open"])
    assert len(said["open"]) == 5
    assert said["path"] == os.environ["PATH"]
    assert said["title"] == f"emailsvc one: forked_program go {said['mine']} {said['given']}"
    assert second == "ready"
    assert int(number) > 0


@pytest.mark.parametrize(("word", "log"), [("fail", "no such thing\n"), ("break", "ZeroDivisionError\n")])
def test_a_failing_fork_does_nothing_that_its_parent_was_about_to_do(
    run_parent: Callable[..., subprocess.Popen[str]], tmp_path: Path, word: str, log: str
) -> None:
    with run_parent(word) as parent:
        said = parent.communicate(timeout=60)[0]
    assert re.fullmatch(r"\d+\n\[\] 1\n", said)
    assert (tmp_path / "one.log").read_text().endswith(log)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_fork_ends_with_its_parent(
    run_parent: Callable[..., subprocess.Popen[str]], tmp_path: Path, number: signal.Signals
) -> None:
    with run_parent("stay") as parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        await_text(tmp_path / "one.log", "ready")
        assert is_alive(child)
        parent.send_signal(number)
    until = time.monotonic() + 20
    while is_alive(child):
        assert time.monotonic() < until, "it lives on"
        time.sleep(0.02)


THREAD = """
import sys, threading
from pathlib import Path
from emailsvc.embedded.programs import Program, start
from emailsvc.launcher.forking import fork_program
threading.Thread(target=threading.Event().wait, daemon=True).start()
start(Program(name="one", arguments=("this",), log=Path(sys.argv[1]) / "one.log", begin=fork_program))
"""


def test_nothing_is_forked_beside_a_thread(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", THREAD, str(tmp_path)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stderr.endswith("RuntimeError: 2 threads run: nothing may be forked\n")
    assert not (tmp_path / "one.log").exists()


# Large, and used by few processes or never.
LOADED_WHEN_USED = {"boto3", "botocore", "css_inline", "mrml", "prompt_toolkit", "snowballstemmer"} | {
    "pycparser",
    "rich.console",
}
LOAD = """
import json, os, sys
from emailsvc.launcher.preload import load_product
load_product({**os.environ, "EXTRA": "told"})
sockets = [name for name in os.listdir("/dev/fd") if "socket:" in os.path.realpath(f"/dev/fd/{name}")]
before = set(sys.modules)
import celery.apps.worker, gunicorn.app.wsgiapp, celery.apps.beat
import inbox.management.commands.run_inbox, gateways.management.commands.run_report_listener
import gateways.management.commands.run_submission
import gc
print(json.dumps({
    "threads": len(os.listdir("/proc/self/task")), "sockets": sockets, "told": os.environ["EXTRA"],
    "later": sorted(set(sys.modules) - before), "frozen": gc.get_freeze_count() > 100_000,
    "modules": sorted(sys.modules),
}))
"""


@pytest.mark.slow("loads all programs of the service at once")
def test_what_is_loaded_before_the_forks_is_all_that_the_programs_import_and_opens_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", LOAD], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["threads"], said["sockets"], said["told"], said["frozen"]) == (1, [], "told", True)
    assert said["later"] == []
    assert set(preload.MODULES) <= set(said["modules"])
    assert not LOADED_WHEN_USED & set(said["modules"])
