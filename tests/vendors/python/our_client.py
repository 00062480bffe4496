"""Our own client for Python, installed from its wheel: the client, Django's backend, and the command line."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import django
import emailsvc_client
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from emailsvc_client import ApiError, AuthenticationError, Client, InvalidFieldsError, RateLimitedError, attach
from emailsvc_client.retrying import RetryPolicy
from steps import GIVEN, PDF, PNG, address, arrived, check_files, raised, step, until_limited

ONCE = RetryPolicy(max_attempts=1)
FROM = f"Demo <{GIVEN['sender']}>"
client = Client(GIVEN["url"], GIVEN["key"])


def build(name: str, **more: Any) -> Any:
    return {"from_": FROM, "to": [address(name)], "subject": f"Subject of {name}", "html": "<p>It works.</p>", **more}


@step("package", "package")
def check_package() -> None:
    found = distribution("emailsvc-client")
    names = {(point.group, point.name) for point in found.entry_points}
    assert {("console_scripts", "emailsvc"), ("pytest11", "emailsvc_client")} <= names
    place = Path(emailsvc_client.__file__).parent
    assert place.is_relative_to(sys.prefix)
    assert (place / "py.typed").exists()
    assert {str(file).partition("/")[0] for file in found.files or ()} <= {
        "emailsvc_client",
        f"emailsvc_client-{found.version}.dist-info",
        "..",
    }


@step("send", "Client")
def send() -> None:
    sent = client.send_email(**build("send", tags=["receipt"], metadata={"order": "7"}))
    headers = {name.lower(): value for name, value in arrived(address("send"))["headers"]}
    assert sent["id"] in headers["message-id"]


@step("files", "Client")
def send_files() -> None:
    files = [attach(PDF, "a.pdf"), attach(PNG, "logo.png", content_id="logo")]
    client.send_email(**build("files", html='<img src="cid:logo">', attachments=files))
    check_files(arrived(address("files")), {"a.pdf", "logo.png"})


@step("batch", "Client")
def send_batch() -> None:
    answer: Any = client.send_batch([build("one"), build("bad", to=["nobody"])], mode="permissive")
    assert arrived(address("one"))["subject"] == "Subject of one"
    assert "to[0]" in json.dumps(answer)


@step("get", "Client")
def get() -> None:
    sent = client.send_email(**build("get", tags=["found-again"]))
    assert client.get_email(sent["id"])["subject"] == "Subject of get"
    assert [row["id"] for row in client.iterate(client.list_emails, tag="found-again")] == [sent["id"]]


@step("update", "Client")
def update_and_cancel() -> None:
    now = datetime.now(UTC)
    sent = client.send_email(**build("later", scheduled_at=now + timedelta(days=1)))
    moved = client.reschedule_email(sent["id"], scheduled_at=now + timedelta(days=2))
    assert str(moved["scheduled_at"])[:10] == str(now + timedelta(days=2))[:10]
    assert client.cancel_email(sent["id"])["status"] == "cancelled"


@step("send", "EmailBackend")
def send_by_django() -> None:
    settings.configure(
        EMAIL_BACKEND="emailsvc_client.django.EmailBackend",
        EMAILSVC_URL=GIVEN["url"],
        EMAILSVC_API_KEY=GIVEN["key"],
        USE_TZ=True,
    )
    django.setup()
    mail: Any = EmailMultiAlternatives("Subject of django", "It works.", FROM, [address("django")])
    mail.attach_alternative("<p>It works.</p>", "text/html")
    mail.tags = ["receipt"]
    assert mail.send() == 1
    assert mail.emailsvc_id in str(arrived(address("django"))["headers"])


@step("send", "emailsvc")
def send_by_command() -> None:
    words = [str(Path(sys.prefix) / "bin" / "emailsvc"), "send", "--json", "--from", FROM, "--to", address("command")]
    environment = {**os.environ, "EMAILSVC_URL": GIVEN["url"], "EMAILSVC_API_KEY": GIVEN["key"]}
    ended = subprocess.run(
        [*words, "--subject", "Subject of command", "--text", "It works."],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["id"]
    assert arrived(address("command"))["subject"] == "Subject of command"


@step("error", "Client")
def tell_errors() -> None:
    error = raised(lambda: client.send_email(**build("error", to=["nobody"])), InvalidFieldsError)
    assert error.errors[0]["field"] == "to[0]"
    raised(lambda: Client(GIVEN["url"], "es_live_wrong").get_me(), AuthenticationError)
    assert issubclass(RateLimitedError, ApiError)


@step("rate limit", "Client")
def tell_limit() -> None:
    low = Client(GIVEN["url"], GIVEN["low_key"], retries=ONCE)
    error = until_limited(lambda: low.send_email(**build("limit")), RateLimitedError)
    assert error.retry_after >= 1
