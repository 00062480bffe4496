"""The service that the clients are tried against: `./run` with a temporary data folder, and what they need in it."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

from accounts.scopes import ALL
from tests.vendors.commands import ROOT

RUN = (sys.executable, str(ROOT / "run"))
PATIENCE_SECONDS = 180.0
SENDER = "demo@example.test"
TEMPLATE = {
    # SendGrid's libraries know by its beginning that it takes variables.
    "alias": "d-welcome",
    "name": "Welcome",
    "subject": "Welcome, {{ name }}",
    "html": "<p>Hello {{ name }}</p>",
}


class NotReadyError(Exception):
    """The service did not come up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """What a script is told: URLs, keys, the template's id."""

    told: Mapping[str, Any]


@contextmanager
def running_stand() -> Iterator[Stand]:
    with TemporaryDirectory(prefix="emailsvc-clients-") as folder:
        data = Path(folder) / "data"
        with (Path(folder) / "log").open("w") as log, start(data, log) as service:
            try:
                yield Stand(told=prepare(await_ready(data, service, Path(log.name)), data))
            finally:
                service.send_signal(signal.SIGTERM)
                service.wait(PATIENCE_SECONDS)


def start(data: Path, log: IO[str]) -> "subprocess.Popen[bytes]":
    words = [*RUN, "--port", "0", "--data", str(data)]
    return subprocess.Popen(words, cwd=ROOT, env=clean_environment(), stdout=log, stderr=log)


def clean_environment() -> dict[str, str]:
    """The caller's, without settings that would lead the service to other servers."""
    told = ("DATABASE_URL", "REDIS_URL", "BROKER_URL", "PROVIDER_URL", "PUBLIC_URL", "ATTACHMENT_STORAGE")
    return {name: value for name, value in os.environ.items() if name not in told}


def await_ready(data: Path, service: "subprocess.Popen[bytes]", log: Path) -> dict[str, Any]:
    """The content of `ready.json`. Raises NotReadyError with the end of the log."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not (data / "ready.json").exists():
        if service.poll() is not None or time.monotonic() > until:
            raise NotReadyError(log.read_text()[-2000:])
        time.sleep(0.1)
    ready: dict[str, Any] = json.loads((data / "ready.json").read_text())
    return ready


def prepare(ready: Mapping[str, Any], data: Path) -> dict[str, Any]:
    """A template, and two keys with pairs for SES: one for everything, and one that may send a single mail a day."""
    call = Caller(ready["url"], ready["api_key"])
    template = call("POST", "/templates", TEMPLATE)
    call("POST", f"/templates/{template['id']}/publish", {})
    scopes = ",".join(sorted(ALL))
    key = manage(data, "create_api_key", "--scopes", scopes)
    low = manage(data, "create_api_key", "--scopes", scopes, "--requests-per-second", "1")
    return {
        "url": ready["url"],
        "key": key["key"],
        "key_id": key["aws_access_key_id"],
        "secret": key["aws_secret_access_key"],
        "low_key": low["key"],
        "low_key_id": low["aws_access_key_id"],
        "low_secret": low["aws_secret_access_key"],
        "sender": SENDER,
        "domain": SENDER.partition("@")[2],
        "template": TEMPLATE["alias"],
        "template_id": template["id"],
        "smtp_host": ready["submission_host"],
        "smtp_port": ready["submission_port"],
        "smtp_tls_port": ready["submission_tls_port"],
        "certificate": ready["submission_certificate"],
    }


def manage(data: Path, *words: str) -> dict[str, Any]:
    command = [*RUN, "--data", str(data), "manage", *words, "--json"]
    ended = subprocess.run(command, cwd=ROOT, env=clean_environment(), capture_output=True, text=True, check=False)
    if ended.returncode:
        raise NotReadyError(ended.stderr[-2000:])
    found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return found


class Caller:
    """Calls `/api/v1` with a key."""

    def __init__(self, url: str, key: str) -> None:
        self.url, self.key = url, key

    def __call__(self, method: str, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/api/v1{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read() or b"null")
