"""The server that receives bounces: it accepts reports on our mail, and nothing else."""

import smtplib
import socket
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.core.management.base import CommandError
from django.db import OperationalError

from accounts.models import ApiKey
from common.addresses import parse_address
from delivery.tls import make_client_context
from gateways import report_listener, report_threads
from gateways.management.commands.run_report_listener import read_certificate
from messages import services
from messages.accepting.draft import Draft
from messages.feedback.return_paths import find_return_path
from messages.feedback.unsubscribe_mail import build_mailto
from messages.models import Attempt, Recipient
from messages.states import Phase, Status
from tests.certificates import CertificateAuthority, Kind
from tests.gateways.listening import listening
from tests.messages.feedback.bounce_mails import build_complaint, build_dsn
from tracking.models import Event, Suppression

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _reports(settings: Any) -> None:
    settings.REPORT_DOMAIN = "reports.test"
    settings.TRUSTED_SENDER_DOMAINS = ["mine.test"]


@pytest.fixture
def sent(api_key: ApiKey) -> Recipient:
    """A recipient whose mail a relay took."""
    draft = Draft(
        to=[parse_address("one@rcpt.test")], from_=parse_address("shop@mine.test"), subject="Hi", text="Hello."
    )
    services.accept(api_key, [draft])
    recipient = Recipient.objects.get()
    Recipient.objects.update(status=Status.SENT, next_attempt_at=None, attempt_count=1)
    now = recipient.message.created_at
    Attempt.objects.create(
        recipient=recipient, number=1, lease_token=recipient.pk, phase=Phase.DONE, claimed_at=now, outcome="accepted"
    )
    return recipient


def path_of(recipient: Recipient) -> str:
    path = find_return_path(None, recipient.pk)
    assert path is not None
    return path


def hand_over(port: int, address: str, raw: bytes, sender: str = "") -> dict[str, Any]:
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as smtp:
        return smtp.sendmail(sender, [address], raw)


def test_a_bounce_to_our_return_path_is_recorded_before_it_is_answered(sent: Recipient) -> None:
    with listening() as port:
        hand_over(port, path_of(sent), build_dsn(path_of(sent), sent.address))
    sent.refresh_from_db()
    assert sent.status == Status.BOUNCED


def test_a_mail_to_our_unsubscribe_address_unsubscribes(sent: Recipient) -> None:
    mailto = build_mailto(None, "", sent.pk)
    assert mailto is not None
    address = mailto.removeprefix("mailto:").partition("?")[0]
    raw = b"From: <one@rcpt.test>\r\nSubject: unsubscribe\r\n\r\n"
    with listening() as port:
        for _ in range(2):
            hand_over(port, address, raw, sender="one@rcpt.test")
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            hand_over(port, address.replace("@", "a@"), raw)
    assert (Suppression.objects.get().address, Suppression.objects.get().reason) == (sent.address, "unsubscribe")
    assert Event.objects.filter(type="email.unsubscribed").count() == 1
    sent.refresh_from_db()
    assert sent.status == Status.SENT


@pytest.mark.parametrize("kind", Kind)
def test_a_bounce_comes_over_tls_where_a_certificate_is_named(sent: Recipient, tmp_path: Path, kind: Kind) -> None:
    authority = CertificateAuthority(tmp_path, kind)
    tls = read_certificate(str(authority.issue_file("127.0.0.1")))
    with listening(tls=tls) as port, smtplib.SMTP("127.0.0.1", port, timeout=20) as smtp:
        smtp.starttls(context=make_client_context(str(authority.ca_file)))
        smtp.sendmail("", [path_of(sent)], build_dsn(path_of(sent), sent.address))
    sent.refresh_from_db()
    assert sent.status == Status.BOUNCED


@pytest.mark.parametrize("does_quit", [True, False])
def test_the_end_is_orderly_for_clients_with_tls(tmp_path: Path, does_quit: bool) -> None:
    authority = CertificateAuthority(tmp_path)
    tls = read_certificate(str(authority.issue_file("127.0.0.1")))
    with ExitStack() as stack:
        # An error in the listener's thread fails the test.
        with listening(tls=tls) as port:
            smtp = stack.enter_context(closing(smtplib.SMTP("127.0.0.1", port, timeout=20)))
            smtp.starttls(context=make_client_context(str(authority.ca_file)))
            smtp.ehlo()
            if does_quit:
                smtp.docmd("QUIT")
        if not does_quit:
            assert smtp.getreply()[0] == 421


def test_an_unreadable_certificate_is_reported(tmp_path: Path) -> None:
    (tmp_path / "none.pem").write_text("nothing")
    for name in ("none.pem", "missing.pem"):
        with pytest.raises(CommandError, match="--certificate: "):
            read_certificate(str(tmp_path / name))


def test_a_complaint_is_taken_at_its_address(sent: Recipient) -> None:
    with listening() as port:
        hand_over(port, "fbl@reports.test", build_complaint(path_of(sent)), "loop@isp.test")
    assert Event.objects.filter(type="email.complained").count() == 1


def test_it_relays_nothing_and_takes_no_forged_return_path(sent: Recipient) -> None:
    forged = path_of(sent)[:10] + ("a" if path_of(sent)[10] != "a" else "b") + path_of(sent)[11:]
    with listening() as port:
        for address in ("somebody@elsewhere.test", forged, "fbl@elsewhere.test", "postmaster@reports.test"):
            with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
                hand_over(port, address, b"Subject: x\r\n\r\n", "a@b.test")
            ((code, text),) = refused.value.recipients.values()
            assert (code, b"no other mail" in text) == (550, True)


def test_guessing_clients_are_locked_out(sent: Recipient) -> None:
    with listening() as port, smtplib.SMTP("127.0.0.1", port, timeout=20) as smtp:
        smtp.ehlo()
        smtp.docmd("MAIL FROM:<>")
        codes = [smtp.docmd(f"RCPT TO:<b+{'a' * 42}@reports.test>")[0] for _ in range(report_listener.REFUSAL_LIMIT)]
        assert codes == [550] * (report_listener.REFUSAL_LIMIT - 1) + [421]
        with pytest.raises(smtplib.SMTPServerDisconnected):
            smtp.noop()


def test_a_mail_that_reports_nothing_is_taken_and_changes_nothing(sent: Recipient) -> None:
    with listening() as port:
        hand_over(port, path_of(sent), b"From: a@b.test\r\nSubject: Re: Hi\r\n\r\nthanks\r\n", "a@b.test")
    sent.refresh_from_db()
    assert sent.status == Status.SENT


def test_a_report_that_cannot_be_recorded_is_deferred(sent: Recipient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise OperationalError

    monkeypatch.setattr(report_threads, "receive_report", fail)
    with listening() as port, pytest.raises(smtplib.SMTPDataError) as refused:
        hand_over(port, path_of(sent), build_dsn(path_of(sent), sent.address))
    assert refused.value.smtp_code == 451


def test_too_large_reports_and_too_many_connections_are_refused(
    sent: Recipient, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = replace(report_listener.LIMITS, message_bytes=10_000, connections=1)
    monkeypatch.setattr(report_listener, "LIMITS", limits)
    with listening() as port:
        with pytest.raises((smtplib.SMTPDataError, smtplib.SMTPSenderRefused)) as refused:
            hand_over(port, path_of(sent), b"Subject: x\r\n\r\n" + b"x" * 70 + b"\r\n" * 20_000)
        assert refused.value.smtp_code == 552
        with smtplib.SMTP("127.0.0.1", port, timeout=20), pytest.raises(smtplib.SMTPConnectError) as turned_away:
            smtplib.SMTP("127.0.0.1", port, timeout=20)
        assert turned_away.value.smtp_code == 421


def test_an_address_has_so_many_connections_and_others_have_theirs(settings: Any) -> None:
    settings.REPORT_CONNECTIONS_PER_PEER = 2
    with listening() as port, ExitStack() as stack:

        def connect(source: str) -> smtplib.SMTP:
            client = smtplib.SMTP("127.0.0.1", port, timeout=20, source_address=(source, 0))
            return stack.enter_context(client)

        mine = [connect("127.0.0.2") for _ in range(2)]
        with pytest.raises(smtplib.SMTPConnectError) as turned_away:
            connect("127.0.0.2")
        assert turned_away.value.smtp_code == 421
        assert connect("127.0.0.3").noop()[0] == 250
        assert [client.quit()[0] for client in mine] == [221, 221]
        assert connect("127.0.0.2").noop()[0] == 250


def test_lmtp_answers_for_each_recipient(sent: Recipient) -> None:
    path = path_of(sent)
    with listening() as port, socket.create_connection(("127.0.0.1", port), timeout=20) as line:
        file = line.makefile("rwb")
        assert file.readline().startswith(b"220")
        replies = []
        for command in ("LHLO relay.test", "MAIL FROM:<>", f"RCPT TO:<{path}>", "RCPT TO:<fbl@reports.test>", "DATA"):
            file.write(command.encode() + b"\r\n")
            file.flush()
            while (reply := file.readline())[3:4] == b"-":
                pass
            replies.append(reply[:3])
        assert replies == [b"250", b"250", b"250", b"250", b"354"]
        file.write(build_dsn(path, sent.address) + b"\r\n.\r\n")
        file.flush()
        assert [file.readline()[:3], file.readline()[:3]] == [b"250", b"250"]
    sent.refresh_from_db()
    assert sent.status == Status.BOUNCED
