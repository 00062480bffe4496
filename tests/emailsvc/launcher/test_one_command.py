"""Commands with servers: started for the command or borrowed from a running service, and stopped afterwards."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

NOT_GIVEN = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "ENCRYPTION_KEYS")
SHOW_AND_WAIT = (
    "import os, sys; print(os.environ['DATABASE_URL'], os.environ['SECRET_KEY'], flush=True); sys.stdin.read()"
)
ASK = "import os, psycopg; print(psycopg.connect(os.environ['DATABASE_URL']).execute('SELECT 1').fetchone())"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that is filled by the first command and found by the others, as a person's: to fill it takes longest."""
    return tmp_path_factory.mktemp("one") / "data"


def given(**names: str) -> Mapping[str, str]:
    """The environment of a person who names no server."""
    return {name: value for name, value in os.environ.items() if name not in NOT_GIVEN} | names


def command(data: Path, script: str) -> list[str]:
    return [
        sys.executable,
        "-m",
        "emailsvc.launcher.one_command",
        "--data",
        str(data),
        "--",
        sys.executable,
        "-c",
        script,
    ]


def run(data: Path, script: str, **names: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(data, script), env=given(**names), capture_output=True, text=True, check=False)


def begin(data: Path) -> subprocess.Popen[str]:
    """A command that goes on until its input is closed."""
    pipe = subprocess.PIPE
    return subprocess.Popen(command(data, SHOW_AND_WAIT), env=given(), stdin=pipe, stdout=pipe, text=True)


def test_a_command_gets_servers_and_its_exit_status_is_ours(data: Path) -> None:
    done = run(data, f"{ASK}; raise SystemExit(7)")
    assert (done.returncode, done.stdout) == (7, "(1,)\n")
    assert not (data / "environment.json").exists()


def test_a_second_command_borrows_the_servers_of_the_first_which_waits_for_it(tmp_path: Path) -> None:
    with begin(tmp_path) as first, begin(tmp_path) as second:
        assert first.stdout
        assert second.stdout
        shown = first.stdout.readline()
        assert second.stdout.readline() == shown
        starter, borrower = (
            (first, second) if (tmp_path / "run.lock").read_text() == f"{first.pid}\n" else (second, first)
        )
        assert starter.stdin
        assert borrower.stdin
        starter.stdin.close()
        time.sleep(0.5)
        assert starter.poll() is None
        assert run(tmp_path, ASK).stdout == "(1,)\n"
        borrower.stdin.close()
        assert (borrower.wait(10), starter.wait(10)) == (0, 0)


def test_leftovers_of_a_killed_run_do_no_harm(data: Path) -> None:
    with begin(data) as killed:
        assert killed.stdout
        killed.stdout.readline()
        killed.send_signal(signal.SIGKILL)
    assert (data / "environment.json").exists()
    assert run(data, ASK).stdout == "(1,)\n"


def test_given_servers_are_used_and_none_is_started(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        "import os; print(os.environ['DATABASE_URL'], len(os.environ['SECRET_KEY']) > 31)",
        DATABASE_URL="postgresql://elsewhere/db",
        REDIS_URL="redis://elsewhere",
    )
    assert done.stdout == "postgresql://elsewhere/db True\n"
    assert not (tmp_path / "postgres").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_to_us_ends_the_command(data: Path, number: signal.Signals) -> None:
    script = "import os, sys, time; print(os.getpid(), flush=True); time.sleep(60)"
    with subprocess.Popen(command(data, script), env=given(), stdout=subprocess.PIPE, text=True) as ours:
        assert ours.stdout
        its = int(ours.stdout.readline())
        ours.send_signal(number)
        assert ours.wait(20) in (128 + signal.SIGTERM, -signal.SIGKILL)
    until = time.monotonic() + 60
    while Path(f"/proc/{its}").exists() and "State:\tZ" not in Path(f"/proc/{its}/status").read_text():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = run(tmp_path / "file" / "data", "pass")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert "choose another with --data" in done.stderr
