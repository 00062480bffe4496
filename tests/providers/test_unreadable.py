"""A provider whose stored settings cannot be read: its own project's mail waits, and nobody else's."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.db import connection

from accounts.models import Notice, Project
from common.fields import LostSecret, encrypt
from messages.models import Message
from messages.sending.loop import SendingLoop
from messages.sending.worker_state import close_worker_state
from messages.states import Lane
from providers.configuration.stored import find_settings
from providers.models import BounceMailbox, Provider
from providers.routing.selection import routes
from providers.services import sync_shared_provider
from providers.unreadable import report_unreadable
from tests.conftest import ApiClient
from tests.provider_rows import settings_of
from tests.smtp_server import SmtpServer

EMAIL = {"from_": "shop@mine.test", "to": "one@rcpt.test", "subject": "Hi", "text": "Hello."}
# What no key decrypts, what is no token at all, and what is no settings of ours.
STORED = [
    Fernet(Fernet.generate_key()).encrypt(b'{"host": "relay.test"}').decode(),
    "",
    None,
    *([], {"host": "x?ca=/proc/self/fd/6"}, {"host": "relay.test", "ca": 5}),
    {
        "host": "relay.test",
        "username": "u",
        "tls": "starttls",
        "auth": "xoauth2",
        "oauth_client_id": "id",
        "oauth_client_secret": "hush",
        "oauth_token_url": {"scheme": "https", "host": "login.test", "port": True, "path": "/"},
    },
]


@pytest.fixture(autouse=True)
def _fresh_process(settings: Any) -> Iterator[None]:
    settings.TRUSTED_SENDER_DOMAINS = ["mine.test"]
    routes.forget()
    yield
    close_worker_state()


def add_unreadable(project: Project | None, stored: object = STORED[0], name: str = "lost") -> Provider:
    """A provider with `stored` in the column of its settings: a text as it is, other values encrypted."""
    provider = Provider.objects.create(project=project, name=name, kind="smtp", settings=settings_of("smtp://a.test"))
    raw = stored if isinstance(stored, str) or stored is None else encrypt(json.dumps(stored))
    with connection.cursor() as cursor:
        lost = [raw, STORED[0], STORED[0], provider.pk]
        cursor.execute("UPDATE providers_provider SET settings = %s, url = %s, event_secret = %s WHERE id = %s", lost)
    routes.forget()
    return provider


def send_due() -> None:
    SendingLoop(Lane.NORMAL, lambda: None).run()


@pytest.mark.parametrize("stored", STORED, ids=range(len(STORED)))
def test_its_mail_waits_and_that_of_others_goes_out(
    api: ApiClient, other_api: ApiClient, project: Project, stored: object
) -> None:
    provider = add_unreadable(project, stored)
    with SmtpServer() as server:
        sync_shared_provider(f"inbox://127.0.0.1:{server.port}")
        waiting = api.post("/emails", EMAIL)
        other = other_api.post("/emails", EMAIL)
        assert (waiting.status_code, other.status_code) == (202, 202), waiting.content
        send_due()
        # It never falls back to the shared provider.
        assert len(server.mails) == 1
    assert other_api.get(f"/emails/{other.json()['id']}").json()["status"] == "delivered"
    shown = api.get(f"/emails/{waiting.json()['id']}").json()
    assert (shown["status"], shown["status_reason"]) == ("queued", "provider_unreadable")
    assert "cannot be read" in api.get(f"/emails/{shown['id']}/explain").json()["why"]
    listed = api.get("/providers").json()["data"][0]
    assert (listed["health"]["status"], listed["settings"]) == ("unreadable", {})
    assert api.post(f"/providers/{provider.pk}/check").json()["ok"] is False


def test_another_provider_of_the_project_takes_its_mail(api: ApiClient, project: Project) -> None:
    add_unreadable(project)
    with SmtpServer() as server:
        url = f"inbox://127.0.0.1:{server.port}"
        Provider.objects.create(project=project, name="good", kind="inbox", settings=settings_of(url), priority=9)
        routes.forget()
        sent = api.post("/emails", EMAIL).json()
        send_due()
    assert api.get(f"/emails/{sent['id']}").json()["status"] == "delivered"


def test_a_shared_one_keeps_the_mail_without_another_way(api: ApiClient) -> None:
    add_unreadable(None)
    sent = api.post("/emails", EMAIL)
    assert (sent.status_code, sent.json()["status_reason"]) == (202, "provider_unreadable")
    send_due()
    assert Message.objects.get().status == "queued"


def test_it_is_told_once_and_again_when_it_happens_again(api: ApiClient, project: Project) -> None:
    provider = add_unreadable(project)
    for _ in range(2):
        report_unreadable()
    notice = Notice.objects.get()
    assert (notice.kind, notice.project) == ("provider_unreadable", project)
    assert "lost" in notice.text
    # New settings make it readable.
    assert api.patch(f"/providers/{provider.pk}", {"url": "smtp://8.8.8.8"}).status_code == 200
    report_unreadable()
    assert Notice.objects.count() == 1
    provider.refresh_from_db()
    assert find_settings(provider) is not None
    assert provider.unreadable_at is None
    Provider.objects.update(settings=None)
    report_unreadable()
    assert Notice.objects.count() == 2


def test_other_changes_keep_what_cannot_be_read(api: ApiClient, project: Project) -> None:
    """The key may come back."""
    provider = add_unreadable(project)
    assert api.patch(f"/providers/{provider.pk}", {"priority": 7, "name": "renamed"}).status_code == 200
    provider.refresh_from_db()
    for secret in (provider.settings, provider.event_secret):
        assert isinstance(secret, LostSecret)
        assert secret.token == STORED[0]


def test_its_bounce_mailbox_fails_by_itself(api: ApiClient, project: Project) -> None:
    provider = Provider.objects.create(project=project, name="a", kind="smtp", settings=settings_of("smtp://a.test"))
    BounceMailbox.objects.create(
        provider=provider, protocol="imaps", host="mail.test", port=993, username="u", password="p", folder="INBOX"
    )
    with connection.cursor() as cursor:
        cursor.execute("UPDATE providers_bouncemailbox SET password = %s", [STORED[0]])
    assert api.get("/providers").json()["data"][0]["bounce_mailbox"]["host"] == "mail.test"
    assert api.post("/emails", EMAIL).status_code == 202


def test_events_for_it_are_asked_for_later(api: ApiClient, project: Project) -> None:
    url = "esp://postmark?server_token=t"
    provider = Provider.objects.create(
        project=project, name="pm", kind="esp", settings=settings_of(url), event_secret="right"
    )
    Provider.objects.update(settings=None)
    answer = api.client.post(f"/feedback/{provider.pk}/right", "[]", content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (503, "try_later")
    assert api.client.post(f"/feedback/{provider.pk}/wrong").status_code == 404
    add_unreadable(project, name="lost secret")
    lost = Provider.objects.get(name="lost secret")
    assert api.client.post(f"/feedback/{lost.pk}/x").status_code == 404
