"""A report is believed as far as our header in the returned mail proves it, and nobody can accuse another recipient."""

from collections.abc import Callable, Iterator
from email import message_from_bytes
from typing import Any

import pytest

from accounts.models import Notice
from messages.feedback.mail_ids import message_header, read_header, recipient_header
from messages.feedback.model import FeedbackResult
from messages.feedback.reports import ReceivedReport, receive_report
from messages.models import Message, Recipient
from providers.models import Provider, ProviderKind
from providers.services import add_provider
from providers.targets import ProviderTarget
from tests.conftest import ApiClient
from tests.esp_cases import CASES
from tests.esp_server import EspServer
from tests.messages.feedback.bounce_mails import build_complaint
from tests.provider_rows import settings_of
from tests.smtp_server import SmtpServer
from tracking.models import Event, Suppression

Send = Callable[..., Message]
Deliver = Callable[..., None]
HEADER = "X-Emailsvc-Id"


@pytest.fixture
def relay(db: None) -> Iterator[SmtpServer]:
    with SmtpServer() as server:
        Provider.objects.create(
            name="relay", kind="smtp", settings=settings_of(f"smtp://127.0.0.1:{server.port}?tls=never")
        )
        yield server


@pytest.fixture
def pair(relay: SmtpServer, send: Send, deliver: Deliver) -> tuple[Recipient, Recipient]:
    """Two recipients of one message that was sent."""
    send(to=["ann@rcpt.test", "bob@rcpt.test"])
    deliver()
    ann, bob = Recipient.objects.order_by("address")
    return ann, bob


def complain(header: tuple[str, str], *, type_: str = "abuse", more: str = "") -> list[FeedbackResult]:
    """A complaint without a return path, whose returned mail has this header."""
    raw = build_complaint("", original=f"Subject: Hi\r\n{header[0]}: {header[1]}\r\n{more}")
    raw = raw.replace(b"Feedback-Type: abuse\r\n", f"Feedback-Type: {type_}\r\n".encode())
    return receive_report(ReceivedReport(raw=raw))


def list_complaints() -> list[tuple[str, Any]]:
    return list(Event.objects.filter(type="email.complained").values_list("address", "recipient_id"))


def test_each_copy_names_its_recipient(relay: SmtpServer, pair: tuple[Recipient, Recipient]) -> None:
    found = {mail.addresses[0]: message_from_bytes(mail.content).get_all(HEADER) for mail in relay.mails}
    assert found == {one.address: [recipient_header(one.pk)[1]] for one in pair}


def test_a_complaint_with_a_redacted_recipient_is_matched_by_the_header(pair: tuple[Recipient, Recipient]) -> None:
    assert complain(recipient_header(pair[1].pk)) == [FeedbackResult.APPLIED]
    assert [row.address for row in Suppression.objects.all()] == ["bob@rcpt.test"]
    assert list_complaints() == [("bob@rcpt.test", pair[1].pk)]


def test_a_recipient_cannot_complain_in_anothers_name(pair: tuple[Recipient, Recipient]) -> None:
    ann, bob = pair
    named = f"To: {bob.address}\r\nMessage-ID: {ann.message.message_id}\r\n"
    assert complain(recipient_header(ann.pk), more=named) == [FeedbackResult.APPLIED]
    assert list_complaints() == [(ann.address, ann.pk)]
    assert complain(("X-Other", "1"), more=named) == []
    forged = recipient_header(ann.pk)[1][:-2] + "aa"
    assert complain((HEADER, forged), more=named) == []
    assert [row.address for row in Suppression.objects.all()] == [ann.address]


def test_reports_that_prove_nothing_are_one_notice_that_counts(pair: tuple[Recipient, Recipient]) -> None:
    for _ in range(3):
        assert complain((HEADER, "r.nonsense")) == []
    notice = Notice.objects.get()
    assert (notice.project, notice.kind, notice.data["count"]) == (None, "report_unproved", 3)


def test_a_header_of_the_message_alone_accuses_nobody(pair: tuple[Recipient, Recipient]) -> None:
    header = message_header(pair[0].message_id)
    for _ in range(2):
        complain(header, more=f"To: {pair[0].address}\r\n")
    assert list_complaints() == [("", None)]
    assert not Suppression.objects.exists()


def test_a_header_of_the_message_names_its_only_recipient(relay: SmtpServer, send: Send, deliver: Deliver) -> None:
    message = send(to=["ann@rcpt.test"])
    deliver()
    assert complain(message_header(message.pk)) == [FeedbackResult.APPLIED]
    assert Suppression.objects.get().address == "ann@rcpt.test"


def test_other_types_of_feedback_are_no_complaints(pair: tuple[Recipient, Recipient]) -> None:
    header = recipient_header(pair[0].pk)
    for type_ in ("not-spam", "auth-failure", "virus"):
        assert complain(header, type_=type_) == []
    assert [notice.kind for notice in Notice.objects.all()] == ["virus_reported"]
    assert not Suppression.objects.exists()
    assert complain(header, type_="opt-out") == [FeedbackResult.APPLIED]
    assert Suppression.objects.get().reason == "unsubscribe"
    assert list_complaints() == []


def test_headers_of_an_older_secret_count(pair: tuple[Recipient, Recipient], settings: Any) -> None:
    name, value = recipient_header(pair[0].pk)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "n" * 50, [settings.SECRET_KEY]
    assert read_header({name.lower(): [value]}) is not None
    settings.SECRET_KEY_FALLBACKS = []
    assert read_header({name.lower(): [value]}) is None


def test_the_headers_name_is_a_setting_and_reserved(
    relay: SmtpServer, send: Send, deliver: Deliver, settings: Any, api: ApiClient
) -> None:
    settings.MAIL_ID_HEADER = "X-Ref"
    send()
    deliver()
    message = message_from_bytes(relay.mails[0].content)
    assert (message["X-Ref"][:2], message[HEADER]) == ("r.", None)
    for name in ("x-ref", "X-EmailSvc-ID"):
        body = {"to": "a@rcpt.test", "from_": "a@mine.test", "subject": "Hi", "text": "Hi", "headers": {name: "1"}}
        answer = api.post("/emails", body)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "header_reserved")


@pytest.mark.parametrize(("name", "count", "kind"), [("postmark", 1, "m."), ("ses", 2, "r."), ("mailersend", 1, "")])
def test_an_esp_gets_the_header_that_fits_its_calls(
    db: None, send: Send, deliver: Deliver, name: str, count: int, kind: str
) -> None:
    """One call serves both recipients where the ESP builds the mail anew; MailerSend's smaller plans refuse headers."""
    with EspServer(CASES[name].taken) as server:
        settings = CASES[name].url(server.url)
        add_provider(None, name=name, target=ProviderTarget(kind=ProviderKind.ESP, settings=settings), is_operated=True)
        send(to=["ann@rcpt.test", "bob@rcpt.test"])
        deliver()
        assert len(server.calls) == count
        assert (HEADER in str(server.calls[0].json)) == (kind == "m.")
        assert {row.status for row in Recipient.objects.all()} == {"sent"}
    if kind == "m.":
        assert {"Name": HEADER, "Value": message_header(Message.objects.get().pk)[1]} in server.calls[0].json["Headers"]
