"""`manage ready PROGRAM`: what each program cannot work without."""

import socket
import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from emailsvc import broker_probe
from emailsvc.celery import app
from emailsvc.launcher.ports import held_port
from emailsvc.launcher.processes import build_processes
from emailsvc.management.commands.ready import PROGRAMS
from gateways.smtp.probe import find_silence
from ledger.timer import ALIVE_KEY, Timer
from messages.tasks import tick

pytestmark = pytest.mark.django_db


@pytest.fixture
def node() -> Any:
    name = f"bulk@{socket.gethostname()}"
    cache.delete(ALIVE_KEY + name)
    yield name
    cache.delete(ALIVE_KEY + name)


def test_every_program_of_the_lineup_has_a_probe(tmp_path: Any) -> None:
    names = ("web", "inbox", "reports", "submission", "submission-tls")
    options = type("Options", (), {"data": tmp_path, "environment": {}, "sockets": dict.fromkeys(names, 7)})
    assert {program.name for program in build_processes(options)} == set(PROGRAMS)


def test_a_worker_is_ready_while_it_is_seen(node: str) -> None:
    with pytest.raises(CommandError, match=f"worker-bulk: no worker {node} has been seen"):
        call_command("ready", "worker-bulk")
    timer = Timer(lambda: None)
    timer._name = node
    timer._tell_alive()
    call_command("ready", "worker-bulk")
    cache.set(ALIVE_KEY + node, time.time() - 31)
    with pytest.raises(CommandError, match="seen for 31 s"):
        call_command("ready", "worker-bulk")
    with pytest.raises(CommandError, match="no worker bulk@elsewhere has been seen"):
        call_command("ready", "worker-bulk", "--address", "bulk@elsewhere")


def test_a_worker_needs_the_broker(node: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.set(ALIVE_KEY + node, time.time())
    with held_port() as port:
        away = app.connection_for_write(f"redis://127.0.0.1:{port}/0")
        monkeypatch.setattr(broker_probe.app, "connection_for_write", lambda: away)
        with pytest.raises(CommandError, match="worker-bulk: the broker does not answer"):
            call_command("ready", "worker-bulk")


def test_beat_is_ready_while_it_starts_its_tick() -> None:
    every, _ = IntervalSchedule.objects.get_or_create(every=30, period="seconds")
    row = PeriodicTask.objects.create(name="tick", task=tick.name, interval=every)
    with pytest.raises(CommandError, match="beat: has not run yet"):
        call_command("ready", "beat")
    PeriodicTask.objects.filter(pk=row.pk).update(last_run_at=timezone.now() - timedelta(seconds=20))
    call_command("ready", "beat")
    PeriodicTask.objects.filter(pk=row.pk).update(last_run_at=timezone.now() - timedelta(seconds=200))
    with pytest.raises(CommandError, match="beat: last ran 200 s ago"):
        call_command("ready", "beat")


@pytest.mark.parametrize("program", ["web", "reports", "inbox"])
def test_a_server_that_does_not_listen_is_not_ready(program: str) -> None:
    with held_port() as port, pytest.raises(CommandError, match=f"{program}: does not answer"):
        call_command("ready", program, "--address", f"127.0.0.1:{port}")


@pytest.mark.parametrize(("greeting", "refusal"), [(b"220 here\r\n", ""), (b"554 away\r\n", "does not greet")])
def test_a_mail_server_is_ready_when_it_greets(greeting: bytes, refusal: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            with server.accept()[0] as line:
                line.sendall(greeting)

        greeter = threading.Thread(target=greet)
        greeter.start()
        assert find_silence(f"127.0.0.1:{server.getsockname()[1]}") == refusal
        greeter.join()
