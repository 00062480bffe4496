"""The command `run_inbox`, in a process of its own, with a database that does not answer."""

import json
import os
import signal
import smtplib
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from django.core.management import call_command, execute_from_command_line
from django.core.management.base import CommandError

from emailsvc.launcher.ports import listen

# Far above what one process opens.
NO_DESCRIPTOR = 1_000_000
ROOT = Path(__file__).resolve().parents[2]


def start(*arguments: str, command: str = "run_inbox", descriptors: Sequence[int] = ()) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "manage.py", command, *arguments],
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=descriptors,
    )


def test_it_defers_mail_and_lives_on_without_a_database() -> None:
    with start("--port", "0", "--json") as process:
        assert process.stdout is not None
        address = json.loads(process.stdout.readline())
        assert address["host"] == "127.0.0.1"
        for _ in range(2):
            with (
                smtplib.SMTP("127.0.0.1", address["port"], timeout=20) as smtp,
                pytest.raises(smtplib.SMTPDataError) as refused,
            ):
                smtp.sendmail("a@example.test", ["ann@example.test"], "Subject: x\r\n\r\nx\r\n")
            assert refused.value.smtp_code == 451
        process.kill()


@pytest.mark.parametrize(("command", "number"), [("run_inbox", signal.SIGINT), ("run_report_listener", signal.SIGTERM)])
def test_an_inherited_socket_keeps_clients_that_came_before_and_a_signal_ends_it_though_they_are_there(
    command: str, number: signal.Signals
) -> None:
    with (
        listen(0) as held,
        socket.create_connection(held.getsockname(), timeout=60) as early,
        start("--fd", str(held.fileno()), "--json", command=command, descriptors=[held.fileno()]) as process,
    ):
        assert early.recv(3) == b"220"
        assert process.stdout is not None
        assert json.loads(process.stdout.readline()) == {"host": "127.0.0.1", "port": held.getsockname()[1]}
        process.send_signal(number)
        # Long before the client would have been let go.
        assert process.wait(60) == 0


def test_a_taken_port_gives_one_error_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = str(server.getsockname()[1])
        with pytest.raises(SystemExit) as ended:
            execute_from_command_line(["manage.py", "run_inbox", "--port", number])
        words = capsys.readouterr().err
        assert ended.value.code != 0
        assert len(words.strip().splitlines()) == 1
        assert number in words


def test_a_port_that_there_cannot_be_is_told() -> None:
    with pytest.raises(CommandError, match="70000"):
        call_command("run_inbox", "--port", "70000")


def test_a_descriptor_that_cannot_listen_is_told() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as other:
        for number, reason in ((NO_DESCRIPTOR, "Bad file descriptor"), (other.fileno(), "it is not a TCP socket")):
            with pytest.raises(CommandError) as told:
                call_command("run_inbox", "--fd", str(number))
            assert str(told.value) == f"Cannot listen on descriptor {number}: {reason}"
