"""Delivery status notifications (RFC 3464): the other side's original text takes precedence."""

from datetime import UTC, datetime

import pytest

from delivery.reports.parse import describe_report, parse_report
from tests.delivery.reports.samples import write_dsn, write_letter

ANN = "Final-Recipient: rfc822; ann@there.test\nAction: failed\n"


def test_a_notification_gives_all_that_its_fields_say():
    raw = write_dsn(
        "Final-Recipient: rfc822; ann@inner.test\n"
        "Original-Recipient: rfc822;ann@there.test\n"
        "Action: failed\n"
        "Status: 5.0.0\n"
        "Remote-MTA: dns; mx.there.test\n"
        "Diagnostic-Code: smtp; 550 5.1.1 <ann@inner.test>: Recipient address\n    rejected: User unknown",
        about_message="Original-Envelope-Id: 0194-a1b2\nArrival-Date: Mon, 6 Jan 2025 11:00:00 +0100",
    )
    report = parse_report(raw)
    (recipient,) = report.recipients

    assert report.kind == "bounce"
    assert report.reporting_mta == "mx.relay.test"
    assert report.original_envelope_id == "0194-a1b2"
    assert report.original_message_id == "0194-a1b2@ours.test"
    assert report.arrived_at == datetime(2025, 1, 6, 10, tzinfo=UTC)
    assert report.addressed_to == ("bounces+7.a1b2@ours.test", "bounces@ours.test")
    assert (recipient.address, recipient.original_address) == ("ann@inner.test", "ann@there.test")
    assert (recipient.action, recipient.status, recipient.code) == ("failed", "5.1.1", 550)
    assert (recipient.hard, recipient.reason) == (True, "no_such_user")
    assert recipient.remote_mta == "mx.there.test"
    assert recipient.diagnostic == "550 5.1.1 <ann@inner.test>: Recipient address rejected: User unknown"


def test_every_recipient_has_his_own_fate_and_the_gravest_names_the_report():
    raw = write_dsn(
        "Final-Recipient: rfc822; ann@there.test\nAction: delivered\nStatus: 2.1.5\nDiagnostic-Code: smtp; 250 Ok",
        "Final-Recipient: rfc822; ben@there.test\nAction: failed\nStatus: 5.2.2\nDiagnostic-Code: smtp; 552 over quota",
        "Final-Recipient: rfc822; cas@there.test\nAction: delayed\nStatus: 4.4.1",
    )
    report = parse_report(raw)

    assert report.kind == "bounce"
    assert [(one.address, one.action, one.status, one.reason) for one in report.recipients] == [
        ("ann@there.test", "delivered", "2.1.5", "delivered"),
        ("ben@there.test", "failed", "5.2.2", "mailbox_full"),
        ("cas@there.test", "delayed", "4.4.1", "network"),
    ]


@pytest.mark.parametrize("action", ["delivered", "relayed", "expanded"])
def test_a_success_is_a_delivery(action: str):
    report = parse_report(write_dsn(f"Final-Recipient: rfc822; ann@there.test\nAction: {action}\nStatus: 2.0.0"))

    assert report.kind == "delivered"
    assert [(one.action, one.hard) for one in report.recipients] == [(action, False)]


def test_a_delay_report_is_not_a_bounce():
    fields = "Final-Recipient: rfc822; ann@there.test\nAction: delayed\nStatus: 4.1.1\n"
    report = parse_report(write_dsn(fields + "Diagnostic-Code: smtp; 450 user unknown"))

    assert report.kind == "delayed"
    assert [one.hard for one in report.recipients] == [False]


def test_our_envelope_id_comes_back_even_without_our_mail():
    raw = write_dsn(ANN + "Status: 5.1.1", about_message="Original-Envelope-Id: 0194", returned="")

    assert parse_report(raw).original_envelope_id == "0194"


@pytest.mark.parametrize(
    ("field", "address"),
    [
        ("rfc822;ann@there.test", "ann@there.test"),
        ("RFC822; <ann@there.test>", "ann@there.test"),
        ("ann@there.test", "ann@there.test"),
        ("rfc822; ann+2Btag@there.test", "ann+tag@there.test"),
        ("rfc822; ann+2021@there.test", "ann+2021@there.test"),
        ("rfc822; @relay.test:ann@there.test", "ann@there.test"),
        ("utf-8; j\\x{F6}rg@there.test", "jörg@there.test"),
        ("rfc822; ann@there.test (expanded)", "ann@there.test"),
    ],
)
def test_an_address_is_read_in_whatever_type_it_comes(field: str, address: str):
    raw = write_dsn(f"Final-Recipient: {field}\nAction: failed\nStatus: 5.1.1")

    assert [one.address for one in parse_report(raw).recipients] == [address]


def test_the_original_recipient_stands_in_for_one_that_is_no_mailbox():
    raw = write_dsn(
        "Final-Recipient: X400; C=xx;S=ann\nOriginal-Recipient: rfc822;ann@there.test\nAction: failed\nStatus: 5.1.1"
    )

    assert [one.address for one in parse_report(raw).recipients] == ["ann@there.test"]


@pytest.mark.parametrize(
    "fields",
    [
        "Reporting-MTA: dns; mx.relay.test\nFinal-Recipient: rfc822; ann@there.test\nAction: failed\nStatus: 5.1.1",
        "Reporting-MTA: dns; relay.test\n\nAction: failed\n\nFinal-Recipient: rfc822; ann@there.test\n\nStatus: 5.1.1",
        "Original-Recipient: <ann@there.test>\nDiagnostic-Code: smtp; 550 5.1.1 no such user",
    ],
    ids=["no blank line", "too many blank lines", "only the original recipient"],
)
def test_fields_that_stray_from_the_standard_are_read_too(fields: str):
    raw = b"Content-Type: message/delivery-status\n\n" + fields.encode()

    assert [(one.address, one.hard) for one in parse_report(raw).recipients] == [("ann@there.test", True)]


def test_fields_pasted_into_the_text_count():
    text = "An error occurred.\n\nTechnical report:\n\nReporting-MTA: dns; mx\n\n" + ANN + "Status: 5.2.2\n"

    assert [one.reason for one in parse_report(write_letter(text)).recipients] == ["mailbox_full"]


def test_an_original_recipient_header_of_our_own_mail_is_no_report():
    raw = b"From: ann@there.test\n\nForwarded:\nOriginal-Recipient: rfc822;ben@there.test\nSubject: hello\n"

    assert parse_report(raw).kind == "none"


def test_the_letter_explains_what_the_fields_leave_open():
    notice = "<ann@there.test>: 550 user unknown (in reply to RCPT TO command)"

    assert [one.hard for one in parse_report(write_dsn(ANN + "Status: 5.0.0", notice=notice)).recipients] == [True]
    assert [one.hard for one in parse_report(write_dsn(ANN + "Status: 5.0.0")).recipients] == [False]


def test_a_report_that_somebody_forwarded_is_opened():
    inner = write_dsn(ANN + "Status: 5.1.1")
    raw = b"From: eve@ours.test\nContent-Type: multipart/mixed; boundary=o\n\n--o\n\nLook at this.\n"
    raw += b"--o\nContent-Type: message/rfc822\n\n" + inner + b"\n--o--\n"

    assert [one.address for one in parse_report(raw).recipients] == ["ann@there.test"]


def test_a_report_about_a_report_speaks_of_the_outer_one():
    inner = write_dsn("Final-Recipient: rfc822; ben@there.test\nAction: failed\nStatus: 5.1.1").decode()
    raw = write_dsn(ANN + "Status: 5.7.1", returned=inner.replace("=b", "=inner"))

    assert [(one.address, one.status) for one in parse_report(raw).recipients] == [("ann@there.test", "5.7.1")]


def test_a_line_for_the_terminal_has_one_of_five_kinds():
    bounce = parse_report(write_dsn(ANN + "Status: 5.1.1"))
    delay = parse_report(write_dsn("Final-Recipient: rfc822; ann@there.test\nAction: delayed\nStatus: 4.4.1"))

    assert describe_report("a.eml", bounce) == {
        "file": "a.eml",
        "kind": "bounce",
        "recipients": [
            {
                "address": "ann@there.test",
                "status": "5.1.1",
                "hard": True,
                "suppress": True,
                "reason": "no_such_user",
                "about": "recipient",
            }
        ],
    }
    assert describe_report("b.eml", delay)["kind"] == "delayed"
    assert describe_report("c.eml", parse_report(b"")) == {"file": "c.eml", "kind": "none", "recipients": []}
