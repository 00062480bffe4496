"""Complaints: feedback-loop reports (RFC 5965), older forms without fields, and Amazon's notices as JSON."""

import json

import pytest

from delivery.reports.parse import parse_report
from tests.delivery.reports.samples import OUR_MAIL, write_feedback, write_letter


def test_a_feedback_report_is_a_complaint_of_its_recipient():
    report = parse_report(
        write_feedback(
            "Feedback-Type: abuse\nVersion: 1\nOriginal-Rcpt-To: <ann@there.test>\nOriginal-Envelope-Id: 0194\n"
            "Reporting-MTA: dns; mx.there.test\nArrival-Date: Mon, 6 Jan 2025 10:00:00 +0000"
        )
    )

    assert (report.kind, report.feedback_type) == ("complaint", "abuse")
    assert (report.original_envelope_id, report.reporting_mta) == ("0194", "mx.there.test")
    assert report.original_message_id == "0194-a1b2@ours.test"
    assert report.arrived_at is not None
    assert [(one.address, one.action, one.hard, one.reason) for one in report.recipients] == [
        ("ann@there.test", "complained", False, "complaint")
    ]


def test_several_recipients_may_be_named():
    fields = "Feedback-Type: abuse\nOriginal-Rcpt-To: ann@there.test\nOriginal-Rcpt-To: ben@there.test"

    assert [one.address for one in parse_report(write_feedback(fields)).recipients] == [
        "ann@there.test",
        "ben@there.test",
    ]


def test_our_mail_names_the_recipient_when_the_fields_do_not():
    report = parse_report(write_feedback("Feedback-Type: opt-out"))

    assert (report.kind, [one.address for one in report.recipients]) == ("complaint", ["ann@there.test"])


@pytest.mark.parametrize("feedback_type", ["auth-failure", "not-spam"])
def test_an_automatic_spam_report_is_not_a_complaint(feedback_type: str):
    assert (
        parse_report(write_feedback(f"Feedback-Type: {feedback_type}\nOriginal-Rcpt-To: ann@there.test")).kind == "none"
    )


def test_a_complaint_without_fields_is_known_by_its_subject():
    raw = (
        b"From: staff@provider.test\nTo: abuse@ours.test\nSubject: complaint about message from 192.0.2.1\n"
        b"Content-Type: multipart/mixed; boundary=m\n\n--m\nContent-Type: message/rfc822\n\n"
    )
    report = parse_report(raw + b"X-HmXmrOriginalRecipient: ann@there.test\n" + OUR_MAIL.encode() + b"\n--m--\n")

    assert (report.kind, [one.address for one in report.recipients]) == ("complaint", ["ann@there.test"])


def write_notice(kind: str, **event: object) -> bytes:
    mail = {"messageId": "ses-1", "commonHeaders": {"messageId": "<0194-a1b2@ours.test>"}}
    key = kind[0].lower() + kind[1:]
    text = json.dumps({"notificationType": kind, key: event, "mail": mail})
    return write_letter(text + "\n\n--\nIf you wish to stop", sender="no-reply@sns.test", subject="AWS Notification")


def test_a_notice_as_json_says_what_happened():
    bounce = parse_report(
        write_notice(
            "Bounce",
            bouncedRecipients=[
                {"emailAddress": "ann@there.test", "status": "5.1.1", "diagnosticCode": "smtp; 550 5.1.1"}
            ],
        )
    )
    complaint = parse_report(write_notice("Complaint", complainedRecipients=[{"emailAddress": "ann@there.test"}]))
    delivery = parse_report(write_notice("Delivery", recipients=["ann@there.test"], smtpResponse="250 2.6.0 accepted"))

    assert [(one.address, one.hard, one.status) for one in bounce.recipients] == [("ann@there.test", True, "5.1.1")]
    assert (complaint.kind, complaint.feedback_type) == ("complaint", "abuse")
    assert (delivery.kind, delivery.recipients[0].code, delivery.recipients[0].status) == ("delivered", 250, "2.6.0")
    assert {one.original_message_id for one in (bounce, complaint, delivery)} == {"0194-a1b2@ours.test"}


def test_a_notice_that_a_relay_broke_into_lines_is_joined():
    raw = write_notice("Complaint", complainedRecipients=[{"emailAddress": "ann@there.test"}])
    broken = raw.replace(b"complainedRecip", b"complained!\n Recip")

    assert parse_report(broken).kind == "complaint"


def test_a_notice_that_sns_wrapped_is_read():
    inner = {"eventType": "Bounce", "mail": {}, "bounce": {"bounceType": "Permanent", "bounceSubType": "NoEmail"}}
    inner["bounce"]["bouncedRecipients"] = [{"emailAddress": "ann@there.test"}]
    wrapped = json.dumps({"Type": "Notification", "TopicArn": "arn:aws:sns:x", "Message": json.dumps(inner)}, indent=2)
    report = parse_report(write_letter(wrapped, sender="no-reply@sns.test", subject="AWS Notification"))

    assert report.kind == "bounce"
    assert [(one.address, one.hard, one.suppress) for one in report.recipients] == [("ann@there.test", True, True)]


@pytest.mark.parametrize(
    ("bounce", "kind", "suppress"),
    [
        ({"bounceType": "Permanent", "bounceSubType": "General"}, "bounce", True),
        ({"bounceType": "Permanent", "bounceSubType": "OnAccountSuppressionList"}, "bounce", False),
        ({"bounceType": "Transient", "bounceSubType": "MailboxFull"}, "bounce", False),
        ({"bounceType": "Transient", "bounceSubType": "General"}, "none", False),  # out of office
    ],
)
def test_the_class_of_a_notice_counts_like_words(bounce: dict[str, str], kind: str, suppress: bool):
    report = parse_report(write_notice("Bounce", bouncedRecipients=[{"emailAddress": "ann@there.test"}], **bounce))

    assert (report.kind, report.recipients[0].suppress) == (kind, suppress)


@pytest.mark.parametrize("text", ['{"mail":', '{"mail": 1}', '{"mail": {}, "notificationType": "Bounce", "bounce": 7}'])
def test_broken_json_is_no_report(text: str):
    report = parse_report(write_letter(text, sender="a@there.test", subject="hello"))
    assert (report.kind, report.recipients) == ("none", ())
