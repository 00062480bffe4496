"""The whole service as `./run` starts it, started once for all of these tests, on its own servers."""

import http.client
import json
import os
import shlex
import signal
import smtplib
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

# One after the other, in one worker: they share the service.
pytestmark = pytest.mark.slow("starts ten processes, and waits for them to end")

NOT_GIVEN = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "ENCRYPTION_KEYS", "PUBLIC_URL", "PROVIDER_URL")
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in NOT_GIVEN}
READY_SECONDS = 240
INBOX_OF = "/inbox/api/messages?to="


@dataclass
class Up:
    """A service that runs, and what it says about itself."""

    data: Path
    process: subprocess.Popen[str]
    ready: dict[str, Any]

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        where = urlsplit(self.ready["url"])
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=30)
        headers = {"Authorization": f"Bearer {self.ready['api_key']}", "Content-Type": "application/json"}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()


def launch(data: Path, *options: str, **names: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "emailsvc.launcher.main", "--data", str(data), "--port", "0", *options],
        env=ENVIRONMENT | names,
        stderr=subprocess.PIPE,
        text=True,
    )


def come_up(data: Path) -> Up:
    stale = read_if_there(data / "ready.json")
    with ExitStack() as until_ready:
        process = until_ready.enter_context(launch(data))
        until_ready.callback(process.terminate)
        await_true(
            lambda: read_if_there(data / "ready.json") not in ("", stale) or process.poll() is not None, READY_SECONDS
        )
        assert process.poll() is None, process.stderr and process.stderr.read()
        until_ready.pop_all()
    return Up(data=data, process=process, ready=json.loads((data / "ready.json").read_text()))


def read_if_there(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""


def await_true(condition: Callable[[], object], seconds: float) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.05)


def list_group(root: int) -> list[int]:
    """The living descendants of a process, itself included."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            number, rest = int(status.parent.name), status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if rest[0] != "Z":
            parents[number] = int(rest[1])
    found = [root] if root in parents else []
    for number in found:
        found += [child for child, parent in parents.items() if parent == number]
    return found


def is_alive(number: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{number}/status").read_text()
    except OSError:
        return False


@dataclass
class Killed:
    """A service that was killed: what it said of itself, the path of an email that it delivered, a copy of its data."""

    service: Up
    path: str
    copied_data: Path


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Killed:
    """One first start, whose data all services here have: a hundred migrations take seconds."""
    folder = tmp_path_factory.mktemp("closed")
    with kept_until_the_end(come_up(folder / "data")) as service:
        path = deliver(service, "before@example.test")
        check_that_a_child_is_replaced(service)
        check_that_nothing_is_left(service)
    # PostgreSQL's files may belong to another user.
    subprocess.run(["cp", "-a", folder / "data", folder / "copied"], check=True)
    return Killed(service=service, path=path, copied_data=folder / "copied")


@pytest.fixture(scope="module")
def up(killed: Killed) -> Iterator[Up]:
    """The service of all tests that leave it running."""
    with kept_until_the_end(come_up(killed.service.data)) as service:
        yield service


@contextmanager
def kept_until_the_end(service: Up) -> Iterator[Up]:
    with service.process:
        try:
            yield service
        finally:
            service.process.kill()


def test_ready_json_has_the_addresses_for_programs(up: Up) -> None:
    assert set(up.ready) == {
        *("url", "admin_url", "admin_user", "admin_password", "api_key"),
        *("inbox_url", "smtp_host", "smtp_port", "report_host", "report_port"),
        *("metrics_url", "metrics_token"),
        *("submission_host", "submission_port", "submission_tls_port", "submission_certificate"),
    }
    assert up.ready["admin_url"] == f"{up.ready['url']}/admin/"
    assert up.ready["api_key"].startswith("es_live_")
    assert (up.data / "ready.json").stat().st_mode & 0o777 == 0o600


def test_a_posted_email_is_delivered_to_the_inbox(up: Up) -> None:
    deliver(up, "up@example.test")
    found = up.ask("GET", "/inbox/api/messages?to=up@example.test")[1]["data"]
    assert [mail["subject"] for mail in found] == ["Grüße"]


def test_webhooks_may_go_to_the_machine_itself(up: Up) -> None:
    status, made = up.ask("POST", "/api/v1/webhooks", {"url": "http://127.0.0.1:9/hook", "events": ["*"]})
    assert (status, made["url"]) == (201, "http://127.0.0.1:9/hook")
    assert up.ask("POST", "/api/v1/webhooks", {"url": "http://10.0.0.1/hook", "events": ["*"]})[0] == 422


def test_a_submitted_mail_is_delivered_to_the_inbox(up: Up) -> None:
    context = ssl.create_default_context(cafile=up.ready["submission_certificate"])
    host = up.ready["submission_host"]
    mail = "From: demo@example.test\r\nTo: smtp@example.test\r\nSubject: By SMTP\r\n\r\nHello\r\n"
    with smtplib.SMTP(host, up.ready["submission_port"], timeout=20) as client:
        client.starttls(context=context)
        client.login("emailsvc", up.ready["api_key"])
        client.sendmail("demo@example.test", ["smtp@example.test"], mail)
    with smtplib.SMTP_SSL(host, up.ready["submission_tls_port"], timeout=20, context=context) as client:
        assert client.login("emailsvc", up.ready["api_key"])[0] == 235
    until = time.monotonic() + 60
    while not (found := up.ask("GET", "/inbox/api/messages?to=smtp@example.test")[1]["data"]):
        assert time.monotonic() < until
        time.sleep(0.05)
    assert [mail["subject"] for mail in found] == ["By SMTP"]
    assert up.ask("GET", "/healthz?full")[1]["checks"]["submission"]["status"] == "ok"


def test_bounces_have_somewhere_to_come_back_to(up: Up) -> None:
    with smtplib.SMTP(up.ready["report_host"], up.ready["report_port"], timeout=20) as smtp:
        smtp.ehlo()
        assert smtp.mail("")[0] == 250
        assert smtp.rcpt("somebody@elsewhere.test")[0] == 550


def deliver(up: Up, to: str) -> str:
    """Post an email without a sender, wait until it is delivered; its path."""
    email = {"to": to, "subject": "Grüße", "text": "It works."}
    status, accepted = up.ask("POST", "/api/v1/emails", email)
    assert status == 202
    path = f"/api/v1/emails/{accepted['id']}"
    until = time.monotonic() + 60
    while up.ask("GET", path)[1]["status"] != "delivered":
        assert time.monotonic() < until, up.ask("GET", f"{path}/explain")[1]
        time.sleep(0.05)
    return path


def test_a_second_run_on_the_same_data_says_that_one_is_running(up: Up) -> None:
    second = launch(up.data)
    _, said = second.communicate(timeout=30)
    assert second.returncode == 1
    assert f"already running with the data folder {up.data}: process {up.process.pid}" in said
    assert (up.data / "ready.json").exists()


def test_a_taken_port_is_one_clear_line(up: Up, tmp_path: Path) -> None:
    port = urlsplit(up.ready["url"]).port
    second = launch(tmp_path / "other", "--port", str(port))
    _, said = second.communicate(timeout=30)
    assert (second.returncode, said.count("\n")) == (1, 1)
    assert f"port {port} cannot be used: Address already in use" in said


def test_a_wrong_setting_stops_the_start_by_name_and_leaves_nobody(tmp_path: Path) -> None:
    wrong = launch(tmp_path, LEASE_SECONDS="-1")
    _, said = wrong.communicate(timeout=60)
    assert wrong.returncode == 1
    assert "environment variable LEASE_SECONDS: Input should be greater than" in said
    assert list_group(wrong.pid) == []


def test_a_command_beside_it_uses_its_servers(up: Up) -> None:
    command = [
        sys.executable,
        "-m",
        "emailsvc.launcher.one_command",
        "--data",
        str(up.data),
        "--",
        sys.executable,
        "manage.py",
    ]
    done = subprocess.run(
        [*command, "create_api_key", "--scopes", "emails:read", "--json"],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=True,
    )
    other = Up(data=up.data, process=up.process, ready=up.ready | {"api_key": json.loads(done.stdout)["key"]})
    assert other.ask("GET", "/api/v1/emails?limit=1")[0] == 200
    assert other.ask("POST", "/api/v1/emails", {})[0] == 403


def test_a_program_that_is_killed_comes_back(up: Up) -> None:
    [beat] = [number for number in list_group(up.process.pid) if is_beat(number)]
    os.kill(beat, signal.SIGKILL)
    await_true(lambda: any(is_beat(number) for number in list_group(up.process.pid) if number != beat), 30)


def is_beat(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/cmdline").read_bytes().startswith(b"emailsvc beat: celery ")
    except OSError:
        return False


def test_what_was_stored_is_there_after_the_service_was_killed(killed: Killed, up: Up) -> None:
    for name in ("api_key", "admin_password"):
        assert up.ready[name] == killed.service.ready[name]
    assert up.ask("GET", killed.path)[1]["status"] == "delivered"


def test_a_second_service_has_an_inbox_of_its_own_and_ends_orderly(killed: Killed, up: Up) -> None:
    """One story: a service costs the suite five seconds of processor time each time it starts."""
    with kept_until_the_end(come_up(killed.copied_data)) as other:
        check_neighbours(up, other)
        check_an_orderly_end(other)


def check_neighbours(first: Up, second: Up) -> None:
    """Each inbox has the mail of its own service alone."""
    for service, name in ((first, "first"), (second, "second")):
        deliver(service, f"{name}@neighbours.test")
    for service, name in ((first, "first"), (second, "second")):
        lying = [to for to in ("first", "second") if service.ask("GET", f"{INBOX_OF}{to}@neighbours.test")[1]["data"]]
        assert lying == [name]


def check_that_a_child_is_replaced(service: Up) -> None:
    """A child that is forked later inherits more of its worker than the first ones."""
    before = list_fast_children(service)
    assert len(before) == 2
    os.kill(before[0], signal.SIGKILL)
    await_true(lambda: len(set(list_fast_children(service)) - set(before)) == 1, 60)


def list_fast_children(service: Up) -> list[int]:
    """The children of the program for critical and normal mail, which has their name too."""
    named = [number for number in list_group(service.process.pid) if is_fast_worker(number)]
    return [number for number in named if read_parent(number) in named]


def is_fast_worker(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/cmdline").read_bytes().startswith(b"emailsvc worker: celery ")
    except OSError:
        return False


def read_parent(number: int) -> int:
    return int(Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[1])


def check_that_nothing_is_left(service: Up) -> None:
    """The service is killed: its programs end with it, and its files for others are gone."""
    named = json.loads((service.data / "environment.json").read_text())
    runtime = Path(named["REDIS_URL"].removeprefix("unix://")).parent
    group = list_group(service.process.pid)
    assert len(group) > 10
    service.process.kill()
    _, said = service.process.communicate()
    await_true(lambda: not any(is_alive(number) for number in group), 60)
    assert not (service.data / "ready.json").exists()
    assert not runtime.exists()
    assert shlex.quote(f"Authorization: Bearer {service.ready['api_key']}") in said


def check_an_orderly_end(service: Up) -> None:
    group = list_group(service.process.pid)
    service.process.send_signal(signal.SIGINT)
    _, said = service.process.communicate(timeout=60)
    assert service.process.returncode == 0
    assert said.endswith("\nemailsvc is stopping\n")
    assert not any(is_alive(number) for number in group)
    assert not (service.data / "ready.json").exists()
