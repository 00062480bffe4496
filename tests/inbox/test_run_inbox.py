"""The command `run_inbox`, in a process of its own, with a database that does not answer."""

import json
import os
import signal
import smtplib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def start(*arguments: str) -> subprocess.Popen[str]:
    away = os.environ | {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}
    command = [sys.executable, "manage.py", "run_inbox", *arguments]
    return subprocess.Popen(command, cwd=ROOT, env=away, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


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
def test_a_signal_ends_it_within_two_seconds(running: tuple[subprocess.Popen[str], int], number: int) -> None:
    process, port = running
    with socket.create_connection(("127.0.0.1", port), timeout=5) as idle:
        assert idle.recv(3) == b"220"
        begun = time.perf_counter()
        process.send_signal(number)
        assert process.wait(5) == 0
        assert time.perf_counter() - begun < 2


def test_it_defers_mail_and_lives_on_without_a_database(running: tuple[subprocess.Popen[str], int]) -> None:
    _, port = running
    for _ in range(2):
        with smtplib.SMTP("127.0.0.1", port, timeout=20) as smtp, pytest.raises(smtplib.SMTPDataError) as refused:
            smtp.sendmail("a@example.test", ["ann@example.test"], "Subject: x\r\n\r\nx\r\n")
        assert refused.value.smtp_code == 451


@pytest.mark.parametrize("port", ["taken", "70000"])
def test_a_port_that_cannot_be_had_is_one_clear_line(port: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = str(server.getsockname()[1]) if port == "taken" else port
        with start("--port", number) as process:
            _, words = process.communicate(timeout=30)
    assert process.returncode != 0
    assert len(words.strip().splitlines()) == 1
    assert number in words
