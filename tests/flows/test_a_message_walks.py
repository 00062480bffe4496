"""One message, from POST to delivered, by a real worker and a real SMTP server."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from typing import Any

import pytest

from providers.routing.selection import routes
from providers.services import sync_shared_provider
from tests.smtp_server import Script, Silent, SmtpServer

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.slow("starts, kills and restarts programs"),
]
Wait = Callable[..., None]
EMAIL = {"from_": "Shop <shop@mine.test>", "to": "one@rcpt.test", "subject": "Hi", "text": "Hello."}


@pytest.fixture
def server() -> Any:
    routes.forget()
    with SmtpServer(Script(replies={"RCPT": []})) as running:
        sync_shared_provider(f"inbox://127.0.0.1:{running.port}")
        yield running


def test_post_worker_smtp_delivered_at_once_and_at_its_time_without_beat(
    api: Any, server: SmtpServer, start_worker: Any, wait_until: Wait
) -> None:
    start_worker()
    at = datetime.now(UTC) + timedelta(seconds=1.5)
    scheduled = f"/emails/{api.post('/emails', {**EMAIL, 'scheduled_at': at.isoformat()}).json()['id']}"
    assert api.get(scheduled).json()["status"] == "scheduled"
    body = "Grüße, 你好 " + "x" * 3000 + "\n.leading dot\n..two dots\n" + "line\n" * 300
    posted = api.post("/emails", {**EMAIL, "text": body, "html": f"<p>{body}</p>", "bcc": ["hidden@rcpt.test"]})
    assert posted.status_code == 202
    path = f"/emails/{posted.json()['id']}"
    wait_until(lambda: api.get(path).json()["status"] == "delivered")
    shown = api.get(path).json()
    assert [attempt["outcome"] for attempt in shown["attempts"]] == ["delivered", "delivered"]
    contents = [mail.content for mail in server.mails if posted.json()["id"].encode() in mail.content]
    parsed = message_from_bytes(contents[0], policy=policy.default)
    assert parsed.get_body(["plain"]).get_content().replace("\r\n", "\n").rstrip("\n") == body.rstrip("\n")
    assert b"hidden@rcpt.test" not in contents[0]
    wait_until(lambda: api.get(scheduled).json()["status"] == "delivered")
    assert at <= datetime.fromisoformat(api.get(scheduled).json()["delivered_at"])


def test_the_next_worker_sends_a_killed_workers_mail(
    api: Any, server: SmtpServer, start_worker: Any, wait_until: Wait
) -> None:
    server.script.replies["RCPT"].append(Silent())
    first = start_worker()
    path = f"/emails/{api.post('/emails', EMAIL).json()['id']}"
    wait_until(lambda: "RCPT TO:<one@rcpt.test>" in server.commands)
    first.kill()
    start_worker()
    wait_until(lambda: api.get(path).json()["status"] == "delivered")
    attempts = api.get(path).json()["attempts"]
    assert [attempt["outcome"] for attempt in attempts] == ["deferred", "delivered"]
    assert "worker was lost" in attempts[0]["reply"]
    assert len(server.mails) == 1
