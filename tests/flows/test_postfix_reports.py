"""A real mail server as the relay: its reports on our mail (RFC 3461, RFC 3464), and our reading of them."""

import re
import smtplib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from messages.feedback.recording import apply_due
from messages.models import Message, Recipient
from messages.sending.loop import SendingLoop
from messages.sending.worker_state import close_worker_state
from messages.states import Lane
from providers.routing.selection import routes
from providers.services import sync_shared_provider
from tests import needs
from tests.conftest import ApiClient
from tests.gateways.listening import listening
from tests.postfix_server import Postfix, running_postfix
from tests.smtp_server import Script, SmtpServer
from tracking.models import Event, Suppression

pytestmark = [
    pytest.mark.django_db(transaction=True),
    needs.program("postfix"),
    needs.root,
]
DSN = (*Script().offers, "DSN")


@pytest.fixture(scope="module")
def far() -> Iterator[SmtpServer]:
    """A server behind the relay that would tell more itself."""
    with SmtpServer(Script(offers=DSN)) as server:
        yield server


@pytest.fixture(scope="module")
def mute() -> Iterator[SmtpServer]:
    """A server behind the relay that knows no reports."""
    with SmtpServer() as server:
        yield server


@pytest.fixture(scope="module")
def stern() -> Iterator[SmtpServer]:
    """A server behind the relay that knows nobody."""
    with SmtpServer(Script(replies={"RCPT": ["550 5.1.1 nobody here"] * 20})) as server:
        yield server


@pytest.fixture(scope="module")
def report_port() -> Iterator[int]:
    with listening() as port:
        yield port


@pytest.fixture(scope="module")
def postfix(far: SmtpServer, mute: SmtpServer, stern: SmtpServer, report_port: int) -> Iterator[Postfix]:
    ports = {"far.test": far.port, "mute.test": mute.port, "stern.test": stern.port}
    with running_postfix(ports, report_port) as running:
        yield running


@pytest.fixture
def send(api: ApiClient, postfix: Postfix, settings: Any) -> Iterator[Callable[[str], Message]]:
    """Sends one email by the relay."""
    settings.REPORT_DOMAIN = "reports.test"
    settings.TRUSTED_SENDER_DOMAINS = ["mine.test"]
    routes.forget()
    sync_shared_provider(f"smtp://127.0.0.1:{postfix.port}?tls=never")

    def accept(to: str) -> Message:
        email = {"from_": "shop@mine.test", "to": to, "subject": "Hi", "text": "Hello."}
        posted = api.post("/emails", email)
        assert posted.status_code == 202, posted.content
        SendingLoop(Lane.NORMAL, lambda: None).run()
        return Message.objects.get(pk=posted.json()["id"])

    yield accept
    close_worker_state()


def list_events(message: Message) -> list[str]:
    found = Event.objects.filter(message_id=message.pk).order_by("position", "id")
    return [type_.removeprefix("email.") for type_ in found.values_list("type", flat=True)]


def await_status(message: Message, status: str, wait_until: Callable[..., None]) -> Event:
    """The event that told of it."""

    def is_reached() -> bool:
        # What came while the recipient was still held waits for a tick, of which there is none here.
        apply_due()
        return Message.objects.filter(pk=message.pk, status=status).exists()

    wait_until(is_reached)
    return Event.objects.get(message_id=message.pk, type=f"email.{status}")


@pytest.mark.parametrize("host", ["reports.test", "bounce.mine.test"])
def test_a_receipt_of_the_final_host_makes_it_delivered(
    send: Callable[[str], Message], postfix: Postfix, wait_until: Callable[..., None], settings: Any, host: str
) -> None:
    settings.REPORT_DOMAIN = host
    message = send("one@final.test")
    told = await_status(message, "delivered", wait_until).data
    assert list_events(message) == ["queued", "sent", "delivered"]
    assert (told["source"], told["enhanced_code"], told["reporting_mta"]) == ("report", "2.0.0", "relay.test")
    assert any(str(message.pk) in mail for mail in postfix.list_mails("one"))


def test_a_mailbox_that_is_not_there_bounces_and_is_suppressed(
    send: Callable[[str], Message], wait_until: Callable[..., None]
) -> None:
    message = send("nobody@final.test")
    told = await_status(message, "bounced", wait_until).data
    assert (told["enhanced_code"], told["source"]) == ("5.1.1", "report")
    assert list_events(message) == ["queued", "sent", "bounced"]
    assert list(Suppression.objects.values_list("address", "reason")) == [("nobody@final.test", "bounce")]


def test_what_the_next_server_refuses_comes_back_as_a_bounce(
    send: Callable[[str], Message], wait_until: Callable[..., None]
) -> None:
    message = send("somebody@stern.test")
    told = await_status(message, "bounced", wait_until).data
    assert (told["code"], told["enhanced_code"]) == (550, "5.1.1")
    assert "nobody here" in told["reply"]
    assert Suppression.objects.get().address == "somebody@stern.test"


def test_mail_that_the_relay_retries_is_delivering(
    send: Callable[[str], Message], wait_until: Callable[..., None]
) -> None:
    message = send("somebody@down.test")
    told = await_status(message, "delivering", wait_until).data
    assert told["enhanced_code"].startswith("4.4.")
    assert list_events(message) == ["queued", "sent", "delivering"]
    recipient = Recipient.objects.get()
    assert (recipient.next_attempt_at, recipient.attempts.count()) == (None, 1)


def test_relayed_to_a_server_that_tells_nothing_is_as_far_as_anybody_knows(
    send: Callable[[str], Message], wait_until: Callable[..., None]
) -> None:
    message = send("somebody@mute.test")
    await_status(message, "delivered", wait_until)
    assert list_events(message) == ["queued", "sent", "delivered"]


def test_what_we_ask_for_reaches_the_servers_behind_the_relay(
    send: Callable[[str], Message], far: SmtpServer, wait_until: Callable[..., None]
) -> None:
    message = send("some+body@far.test")
    wait_until(lambda: far.mails)
    recipient = Recipient.objects.get(message=message)
    (mail_command,) = [line for line in far.commands if line.startswith("MAIL")]
    (rcpt_command,) = [line for line in far.commands if line.startswith("RCPT")]
    assert f"ENVID={recipient.pk}" in mail_command
    assert "RET=HDRS" in mail_command
    assert "ORCPT=rfc822;some+2Bbody@far.test" in rcpt_command
    notify = re.search(r"NOTIFY=([A-Z,]+)", rcpt_command)
    assert notify
    assert set(notify[1].split(",")) == {"SUCCESS", "FAILURE", "DELAY"}
    message.refresh_from_db()
    assert message.status == "sent"


def test_the_relay_rejects_mail_to_addresses_that_are_not_return_paths(postfix: Postfix) -> None:
    with smtplib.SMTP("127.0.0.1", postfix.port, timeout=20) as smtp:
        smtp.ehlo()
        smtp.mail("")
        codes = [smtp.rcpt(f"{name}@reports.test")[0] for name in ("abuse", f"b+{'a' * 42}", "b+short", "anybody")]
    assert codes == [250, 250, 550, 550]
