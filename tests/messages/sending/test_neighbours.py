"""One provider's failure or one crash does not affect other mail."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import Thread
from typing import Any

import pytest
from django.db import connection

from accounts import scopes
from accounts.services import create_api_key, create_project
from common.addresses import parse_address
from messages import services
from messages.accepting.draft import Draft
from messages.models import Attempt, Message, Recipient
from messages.sending.loop import SendingLoop
from messages.states import Lane, Phase, Status
from providers.models import Provider
from providers.routing.selection import routes
from tests.provider_rows import settings_of
from tests.smtp_server import Late, Script, Silent, SmtpServer

pytestmark = pytest.mark.django_db(transaction=True)
Send = Callable[..., Message]
MAILS_OF_OTHERS = 5


@contextmanager
def pumping(server: SmtpServer) -> Iterator[Thread]:
    """A child at work; the server that keeps it cuts its lines at the end of the block, until the child has ended."""

    def run() -> None:
        try:
            SendingLoop(Lane.NORMAL, lambda: None).run()
        finally:
            connection.close()

    child = Thread(target=run, daemon=True)
    child.start()
    yield child
    wait_until(lambda: server.cut_all() or child.join(0.1) or not child.is_alive())


@pytest.fixture
def other() -> Any:
    """Another project's `send`; its mail goes another way."""
    key, _ = create_api_key(create_project(name="Other"), scopes=scopes.ALL)

    def accept(count: int, domain: str) -> None:
        draft = {"from_": parse_address("shop@mine.test"), "subject": "Hi", "text": "Hello."}
        services.accept(key, [Draft(to=[parse_address(f"u{n}@{domain}")], **draft) for n in range(count)])

    accept.project = key.project  # type: ignore[attr-defined]
    return accept


def wait_until(is_true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not is_true():
        assert time.monotonic() < deadline, "what was waited for did not happen"
        time.sleep(0.02)


def count_claimed(phase: Phase) -> int:
    return Attempt.objects.filter(phase=phase, recipient__lease_token__isnull=False).count()


def find_status(message: Message) -> str:
    return str(Message.objects.values_list("status", flat=True).get(pk=message.pk))


def test_no_more_is_begun_than_the_conversations_come_to_soon(send: Send, settings: Any) -> None:
    settings.SMTP_CONVERSATIONS = 2
    settings.DELIVER_TIME = timedelta(seconds=4)
    script = Script(replies={"RCPT": [*[None] * 20, *[Silent()] * 200]})
    with SmtpServer(script) as server:
        Provider.objects.create(name="mx", kind="inbox", settings=settings_of(f"inbox://127.0.0.1:{server.port}"))
        routes.forget()
        for number in range(100):
            send(to=[f"u{number}@rcpt.test"])
        with pumping(server):
            wait_until(lambda: len(server.mails) == 20)
            wait_until(lambda: count_claimed(Phase.CLAIMED) > 10)
            assert count_claimed(Phase.STARTED) <= 4
            # Its time is over: others may take what it has not begun.
            wait_until(lambda: count_claimed(Phase.CLAIMED) == 0)
    assert Recipient.objects.filter(attempt_count=0).count() >= 50


@pytest.mark.parametrize("lane", [Lane.NORMAL, Lane.CRITICAL])
def test_a_child_that_a_silent_provider_keeps_sends_the_mail_of_others(
    send: Send, other: Any, settings: Any, lane: Lane
) -> None:
    settings.SMTP_CONVERSATIONS = 2
    settings.DELIVER_TIME = timedelta(seconds=0.3)
    with SmtpServer(Script(replies={"RCPT": [Silent()] * 100})) as silent, SmtpServer() as good:
        url = f"inbox://127.0.0.1:{silent.port}"
        Provider.objects.create(project=other.project, name="silent", kind="inbox", settings=settings_of(url))
        Provider.objects.create(name="good", kind="inbox", settings=settings_of(f"inbox://127.0.0.1:{good.port}"))
        routes.forget()
        other(20, "silent.test")
        with pumping(silent) as child:
            wait_until(lambda: count_claimed(Phase.STARTED) == 4)
            for _ in range(3):
                message = send(priority=lane)
                wait_until(lambda pk=message: find_status(pk) == Status.DELIVERED)
            assert child.is_alive()


def test_mail_of_others_is_looked_for_again_and_again_while_a_slow_provider_keeps_a_child(
    send: Send, other: Any, settings: Any
) -> None:
    settings.SMTP_CONVERSATIONS = 2
    settings.DELIVER_TIME = timedelta(seconds=0.3)
    with SmtpServer(Script(replies={"RCPT": [Silent()] * 100})) as silent, SmtpServer() as good:
        url = f"inbox://127.0.0.1:{silent.port}"
        Provider.objects.create(project=other.project, name="silent", kind="inbox", settings=settings_of(url))
        Provider.objects.create(name="good", kind="inbox", settings=settings_of(f"inbox://127.0.0.1:{good.port}"))
        routes.forget()
        other(20, "silent.test")
        with pumping(silent) as child:
            wait_until(lambda: count_claimed(Phase.STARTED) == 4)
            # Each just misses a look, and so waits for the next one. How long that is, the drills tell.
            for _ in range(MAILS_OF_OTHERS):
                message = send()
                wait_until(lambda pk=message: find_status(pk) == Status.DELIVERED)
            assert child.is_alive()


def test_a_provider_that_took_its_time_once_gets_mail_again_while_another_keeps_the_child(
    send: Send, other: Any, settings: Any
) -> None:
    settings.SMTP_CONVERSATIONS = 2
    settings.DELIVER_TIME = timedelta(seconds=1)
    once_late = Script(replies={".": [Late("250 ok", 0.8)]})
    with SmtpServer(Script(replies={"RCPT": [Silent()] * 100})) as silent, SmtpServer(once_late) as good:
        url = f"inbox://127.0.0.1:{silent.port}"
        Provider.objects.create(project=other.project, name="silent", kind="inbox", settings=settings_of(url))
        Provider.objects.create(name="good", kind="inbox", settings=settings_of(f"inbox://127.0.0.1:{good.port}"))
        routes.forget()
        other(20, "silent.test")
        with pumping(silent) as child:
            wait_until(lambda: count_claimed(Phase.STARTED) == 4)
            # Until the child's time is over, and it stays for the silent one alone.
            time.sleep(1.5)
            for _ in range(3):
                message = send()
                wait_until(lambda pk=message: find_status(pk) == Status.DELIVERED)
            assert child.is_alive()


def test_healthy_mail_does_not_wait_for_all_that_a_worker_died_with(
    send: Send, settings: Any, deliver: Callable[..., None]
) -> None:
    settings.DELIVER_TIME = timedelta(seconds=0.6)
    with SmtpServer(Script(replies={".": [Late("250 ok", 0.15)] * 100})) as server:
        Provider.objects.create(name="mx", kind="inbox", settings=settings_of(f"inbox://127.0.0.1:{server.port}"))
        routes.forget()
        for number in range(30):
            send(to=[f"suspect{number}@rcpt.test"])
        Recipient.objects.update(crash_count=1)
        healthy = send(to=["healthy@rcpt.test"])
        deliver()
    assert find_status(healthy) == Status.DELIVERED
    assert Recipient.objects.filter(crash_count=1, status=Status.QUEUED).count() > 10
