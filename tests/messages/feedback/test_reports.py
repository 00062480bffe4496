"""Bounces, receipts and complaints by mail."""

import json
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import call_command

from domains.signing_identities import Identity, identities
from messages.feedback.mail_ids import recipient_header
from messages.feedback.model import FeedbackResult
from messages.feedback.reports import ReceivedReport, receive_report
from messages.feedback.return_paths import find_return_path, read_recipient
from messages.models import Message, ReceivedFeedback, Recipient
from providers.models import Provider
from tests.messages.feedback.bounce_mails import build_complaint, build_dsn
from tests.provider_rows import settings_of
from tests.smtp_server import Script, SmtpServer
from tracking.models import Event, Suppression

Send = Callable[..., Message]
Deliver = Callable[..., None]
OFFERS = ("PIPELINING", "8BITMIME", "DSN")


@pytest.fixture
def relay(db: None, settings: Any) -> Iterator[SmtpServer]:
    settings.REPORT_DOMAIN = "reports.test"
    with SmtpServer(Script(offers=OFFERS)) as server:
        Provider.objects.create(
            name="relay", kind="smtp", settings=settings_of(f"smtp://127.0.0.1:{server.port}?tls=never")
        )
        yield server


@pytest.fixture
def sent(relay: SmtpServer, send: Send, deliver: Deliver) -> Recipient:
    send()
    deliver()
    return Recipient.objects.get()


def path_of(recipient: Recipient) -> str:
    path = find_return_path(None, recipient.pk)
    assert path is not None
    return path


def process(raw: bytes, *, is_trusted: bool = False) -> list[FeedbackResult]:
    return receive_report(ReceivedReport(raw=raw, is_trusted=is_trusted))


def status_of(recipient: Recipient) -> str:
    recipient.refresh_from_db()
    return recipient.status


def test_mail_goes_out_under_a_return_path_that_names_its_recipient(relay: SmtpServer, sent: Recipient) -> None:
    assert read_recipient(relay.mails[0].return_path) == sent.pk
    assert relay.mails[0].return_path.endswith("@reports.test")
    assert f"ENVID={sent.pk}" in relay.mails[0].parameters


def test_the_return_path_is_the_sending_domains_own_where_that_stands(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.REPORT_DOMAIN = "reports.test"
    own = Identity(domain="shop.test", signers=(), return_path_host="bounces.shop.test", tracking_host=None)
    monkeypatch.setattr(identities, "of", lambda _: own)
    path = find_return_path(uuid4(), uuid4())
    assert path is not None
    assert path.endswith("@bounces.shop.test")


def test_without_a_domain_for_reports_bounces_go_to_the_sender(
    relay: SmtpServer, send: Send, deliver: Deliver, settings: Any
) -> None:
    settings.REPORT_DOMAIN = ""
    send()
    deliver()
    assert relay.mails[0].return_path == "shop@mine.test"
    assert "ENVID" not in relay.mails[0].parameters


def test_a_late_bounce_makes_bounced_of_sent_and_suppresses(sent: Recipient) -> None:
    assert process(build_dsn(path_of(sent), sent.address)) == [FeedbackResult.APPLIED]
    assert status_of(sent) == "bounced"
    assert Suppression.objects.get().address == sent.address
    data = Event.objects.get(type="email.bounced").data
    assert (data["source"], data["enhanced_code"], data["reason"]) == ("report", "5.1.1", "no_such_user")


def test_a_late_bounce_makes_bounced_of_delivered(
    inbox: SmtpServer, send: Send, deliver: Deliver, settings: Any
) -> None:
    settings.REPORT_DOMAIN = "reports.test"
    send()
    deliver()
    recipient = Recipient.objects.get()
    assert recipient.status == "delivered"
    process(build_dsn(path_of(recipient), recipient.address))
    assert status_of(recipient) == "bounced"


@pytest.mark.parametrize(
    ("action", "status"), [("delivered", "delivered"), ("relayed", "delivered"), ("delayed", "delivering")]
)
def test_other_reports_tell_other_states(sent: Recipient, action: str, status: str) -> None:
    code = "4.4.1" if action == "delayed" else "2.0.0"
    process(build_dsn(path_of(sent), sent.address, action=action, status=code))
    assert status_of(sent) == status
    assert not Suppression.objects.exists()


def test_the_same_report_again_does_nothing(sent: Recipient) -> None:
    raw = build_dsn(path_of(sent), sent.address)
    assert process(raw) == [FeedbackResult.APPLIED]
    assert process(b"Received: by a relay, once more\r\n" + raw) == [FeedbackResult.KNOWN]


@pytest.mark.parametrize(
    ("status", "text"), [("5.2.2", "552 5.2.2 mailbox full"), ("5.7.1", "550 5.7.1 blocked"), ("4.4.7", "expired")]
)
def test_a_bounce_for_another_reason_than_the_mailbox_suppresses_no_address(
    sent: Recipient, status: str, text: str
) -> None:
    process(build_dsn(path_of(sent), sent.address, status=status, text=text))
    assert status_of(sent) == "bounced"
    assert not Suppression.objects.exists()


def test_an_address_that_mail_was_passed_on_to_is_not_our_recipients(sent: Recipient) -> None:
    process(build_dsn(path_of(sent), sent.address, final="old-alias@elsewhere.test"))
    assert status_of(sent) == "bounced"
    assert not Suppression.objects.exists()


def test_a_forged_return_path_bounces_no_recipient(sent: Recipient) -> None:
    forged = path_of(sent).replace("@", "a@", 1)
    changed = path_of(sent)[:20] + ("a" if path_of(sent)[20] != "a" else "b") + path_of(sent)[21:]
    for path in (forged, changed, "shop@mine.test"):
        assert process(build_dsn(path, sent.address)) == []
    assert status_of(sent) == "sent"
    assert not ReceivedFeedback.objects.exists()


def test_our_message_id_alone_is_believed_only_where_the_operator_chose_the_file(sent: Recipient) -> None:
    raw = build_dsn("shop@mine.test", sent.address).replace(
        b"Subject: Delivery Status Notification",
        f"Subject: Returned\r\nIn-Reply-To: {sent.message.message_id}".encode(),
    )
    assert process(raw) == []
    assert process(raw, is_trusted=True) == [FeedbackResult.APPLIED]
    assert status_of(sent) == "bounced"


@pytest.mark.parametrize("is_named", [True, False])
def test_a_complaint_suppresses_the_address_and_keeps_the_state(sent: Recipient, is_named: bool) -> None:
    name, value = recipient_header(sent.pk)
    original = "" if is_named else f"Subject: Hi\r\n{name}: {value}\r\n"
    assert process(build_complaint(path_of(sent) if is_named else "", original=original)) == [FeedbackResult.APPLIED]
    assert status_of(sent) == "sent"
    assert (Suppression.objects.get().reason, Event.objects.filter(type="email.complained").count()) == ("complaint", 1)


def test_a_report_about_mail_of_others_is_left_alone(db: None) -> None:
    assert process(build_dsn("somebody@else.test", "x@y.test"), is_trusted=True) == []
    assert process(b"Subject: lunch?\r\nFrom: ann@x.test\r\n\r\nAt noon.\r\n", is_trusted=True) == []


def run_command(*arguments: str) -> list[dict[str, Any]]:
    out = StringIO()
    call_command("process_report", *arguments, "--json", stdout=out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_process_report_prints_its_result(sent: Recipient, tmp_path: Path) -> None:
    path = tmp_path / "bounce.eml"
    path.write_bytes(build_dsn(path_of(sent), sent.address))
    expected = {
        "file": str(path),
        "kind": "bounce",
        "recipients": [
            {
                "address": sent.address,
                "status": "5.1.1",
                "hard": True,
                "suppress": True,
                "reason": "no_such_user",
                "about": "recipient",
            }
        ],
    }
    assert run_command("--dry-run", str(path)) == [expected]
    assert status_of(sent) == "sent"
    assert run_command(str(path)) == [expected]
    assert status_of(sent) == "bounced"


def test_process_report_goes_on_after_a_file_that_cannot_be_read(db: None, tmp_path: Path) -> None:
    path = tmp_path / "letter.eml"
    path.write_bytes(b"Subject: lunch?\r\n\r\nAt noon.\r\n")
    out, err = StringIO(), StringIO()
    with pytest.raises(SystemExit):
        call_command("process_report", str(tmp_path / "none.eml"), str(path), "--json", stdout=out, stderr=err)
    assert json.loads(out.getvalue()) == {"file": str(path), "kind": "none", "recipients": []}
    assert "none.eml" in err.getvalue()
