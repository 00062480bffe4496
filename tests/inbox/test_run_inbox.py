"""The command `run_inbox`, in a process of its own, with a database that does not answer."""

import json
import os
import signal
import smtplib
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from emailsvc.launcher.ports import listen

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


@pytest.fixture
def running() -> Iterator[tuple[subprocess.Popen[str], int]]:
    with start("--port", "0", "--json") as process:
        try:
            assert process.stdout is not None
            address = json.loads(process.stdout.readline())
            assert address["host"] == "127.0.0.1"
            yield process, address["port"]
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_though_a_client_is_there(running: tuple[subprocess.Popen[str], int], number: int) -> None:
    process, port = running
    with socket.create_connection(("127.0.0.1", port), timeout=5) as idle:
        assert idle.recv(3) == b"220"
        process.send_signal(number)
        # Long before the client would have been let go.
        assert process.wait(60) == 0


def test_it_defers_mail_and_lives_on_without_a_database(running: tuple[subprocess.Popen[str], int]) -> None:
    _, port = running
    for _ in range(2):
        with smtplib.SMTP("127.0.0.1", port, timeout=20) as smtp, pytest.raises(smtplib.SMTPDataError) as refused:
            smtp.sendmail("a@example.test", ["ann@example.test"], "Subject: x\r\n\r\nx\r\n")
        assert refused.value.smtp_code == 451


@pytest.mark.parametrize("port", ["taken", "70000"])
def test_an_unavailable_port_gives_one_error_line(port: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = str(server.getsockname()[1]) if port == "taken" else port
        with start("--port", number) as process:
            _, words = process.communicate(timeout=60)
        assert process.returncode != 0
        assert len(words.strip().splitlines()) == 1
        assert number in words


@pytest.mark.parametrize("command", ["run_inbox", "run_report_listener"])
def test_an_inherited_socket_keeps_clients_that_came_before_the_server(command: str) -> None:
    with (
        listen(0) as held,
        socket.create_connection(held.getsockname(), timeout=60) as early,
        start("--fd", str(held.fileno()), "--json", command=command, descriptors=[held.fileno()]) as process,
    ):
        assert early.recv(3) == b"220"
        assert process.stdout is not None
        assert json.loads(process.stdout.readline()) == {"host": "127.0.0.1", "port": held.getsockname()[1]}
        process.kill()


@pytest.mark.parametrize(
    ("kind", "reason"), [(None, "Bad file descriptor"), (socket.SOCK_DGRAM, "it is not a TCP socket")]
)
def test_a_descriptor_that_cannot_listen_gives_one_error_line(kind: int | None, reason: str) -> None:
    with socket.socket(type=kind or socket.SOCK_STREAM) as other:
        number = other.fileno()
        with start("--fd", str(number), descriptors=[number] if kind else []) as process:
            _, words = process.communicate(timeout=60)
    assert process.returncode != 0
    assert words.strip().splitlines() == [f"CommandError: Cannot listen on descriptor {number}: {reason}"]
