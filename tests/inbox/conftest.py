"""A real listener on a free port, and mail to send it."""

import threading
from collections.abc import Iterator

import pytest
from django.test import Client
from pytest_django.plugin import DjangoDbBlocker

from inbox.models import Mail
from inbox.services import Received, store_mail
from tests.inbox.running_listener import Receive, RunningListener


@pytest.fixture
def transactional_db(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Rows that other threads see. pytest-django's own would empty every table after every test."""
    with django_db_blocker.unblock():
        yield
        Mail.objects.all().delete()


@pytest.fixture
def inbox(transactional_db: None) -> Iterator[RunningListener]:
    running = RunningListener()
    thread = threading.Thread(target=running.run)
    thread.start()
    running.wait_until_ready()
    yield running
    running.stop()
    thread.join(10)
    assert not thread.is_alive()


@pytest.fixture
def client() -> Client:
    """A client on this machine, no browser."""
    return Client(SERVER_NAME="localhost")


@pytest.fixture
def receive() -> Receive:
    """Store a mail without the listener: `receive(raw, to=[…])`."""

    def store(
        raw: bytes | str, to: tuple[str, ...] = ("ann@example.test",), mail_from: str = "app@example.test"
    ) -> Mail:
        content = raw.encode() if isinstance(raw, str) else raw
        content = content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        received = Received(mail_from=mail_from, rcpt_to=list(to), content=content, remote_host="127.0.0.1")
        return Mail.objects.get(pk=store_mail(received))

    return store
