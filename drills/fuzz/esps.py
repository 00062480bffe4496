"""What ESPs answer: a stranger's bytes as the answer of each ESP's API to a mail for two people.

The answer comes over a socket, so that HTTP itself, its limits, and django-anymail's and AWS's readers are in the way.
"""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from threading import Thread
from urllib.parse import urlsplit
from uuid import UUID

from delivery.envelope import Delivery, Reply
from delivery.http_client import HttpClient, HttpRequest, HttpResult, HttpSeconds
from delivery.mime.headers import Mailbox
from delivery.mime.message import MessageContent, prepare_message
from delivery.replies import MAX_RETRY_AFTER
from delivery.tls import make_client_context
from emailsvc.launcher.ports import LOOPBACK
from providers.esp.catalog import ESPS
from providers.esp.model import list_settings
from providers.esp.transport import MAX_REMOTE_ID, EspTransport

NAMES = sorted(ESPS)
SECONDS = HttpSeconds(connect=5.0, write=5.0, answer=5.0)
# Reading the authorities takes longer than a whole call.
CONTEXT = make_client_context()
PATIENCE_SECONDS = 10.0
SETTINGS = {
    "api_url": "http://esp.test/v1/",
    "api_key": "key",
    "api_token": "key",
    "server_token": "key",
    "secret_key": "key",
    "sender_domain": "ours.test",
    "region_name": "eu-west-1",
    "aws_access_key_id": "key",
    "aws_secret_access_key": "key",
}
MESSAGE = UUID(int=7)
CONTENT = MessageContent(
    from_=Mailbox(name="Shop", address="shop@ours.test"),
    to=[Mailbox(address="ann@there.test"), Mailbox(address="bob@there.test")],
    subject="a",
    date=datetime(2026, 1, 1, tzinfo=UTC),
    message_id=f"{MESSAGE}@ours.test",
    text="a\n",
)
MAILS = [
    Delivery(
        recipient_id=UUID(int=number),
        message_id=MESSAGE,
        return_path="b@ours.test",
        address=mailbox.address,
        content=prepare_message(CONTENT).render(),
        message=CONTENT,
    )
    for number, mailbox in enumerate(CONTENT.to)
]


class ToldHttp(HttpClient):
    """Leads every call to a server that answers with `answer`."""

    answer = b""

    def call(self, request: HttpRequest, before_write: Callable[[], None] = lambda: None) -> HttpResult:
        with answering(self.answer) as port:
            client = HttpClient(seconds=SECONDS, context=CONTEXT)
            try:
                told = replace(request, url=f"http://{LOOPBACK}:{port}{urlsplit(request.url).path}")
                return client.call(told, before_write)
            finally:
                client.close()


@cache
def open_way(name: str) -> tuple[ToldHttp, EspTransport]:
    """The way out by one ESP, with its HTTP. AWS's library takes long to set up."""
    client = ToldHttp(seconds=SECONDS, context=CONTEXT)
    esp = ESPS[name]
    settings = {key: SETTINGS[key] for key in list_settings(esp) if key in SETTINGS}
    return client, EspTransport(esp, settings, client)


def hear_esp_answer(data: bytes) -> None:
    """Which ESP, by the first byte; its answer as HTTP. Each recipient gets one reply, which a row can hold."""
    name = NAMES[data[0] % len(NAMES)] if data else NAMES[0]
    client, transport = open_way(name)
    client.answer = data[1:]
    replies = list(transport.transmit(MAILS, lambda ids: ids))
    assert sorted(recipient for recipient, _ in replies) == [mail.recipient_id for mail in MAILS], "not one reply each"
    for _, reply in replies:
        check_reply(reply)


def check_reply(reply: Reply) -> None:
    assert reply.text.isprintable(), "a reply has control characters"
    assert reply.remote_id.isprintable(), "an id has control characters"
    assert len(reply.remote_id) <= MAX_REMOTE_ID, "an id is too long"
    assert reply.code is None or 0 <= reply.code < 1 << 15, "a code that no row holds"
    assert reply.retry_after is None or timedelta(0) <= reply.retry_after <= MAX_RETRY_AFTER, "an odd wait"


@contextmanager
def answering(data: bytes) -> Iterator[int]:
    """A server that says `data` to the first client once this has begun to speak, then hangs up; its port."""
    with socket.create_server((LOOPBACK, 0)) as server:
        thread = Thread(target=answer_once, args=(server, data), daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            thread.join(PATIENCE_SECONDS)
            assert not thread.is_alive(), "a connection was left open"


def answer_once(server: socket.socket, data: bytes) -> None:
    with suppress(OSError):
        line, _ = server.accept()
        with line:
            line.settimeout(PATIENCE_SECONDS)
            line.recv(1 << 16)
            line.sendall(data)
            line.shutdown(socket.SHUT_WR)
            while line.recv(1 << 16):
                pass
