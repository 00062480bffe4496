"""Text bounces are recognised by their layout, whoever wrote them; other letters are ignored."""

import pytest

from delivery.reports.parse import parse_report
from tests.delivery.reports.samples import LETTERS, OUR_MAIL, Sample, write_letter


@pytest.mark.parametrize("sample", LETTERS, ids=lambda sample: sample.name)
def test_a_text_bounce_names_its_recipients_and_whether_they_are_permanent(sample: Sample):
    report = parse_report(sample.raw)

    assert report.kind == sample.kind
    assert {one.address: one.hard for one in report.recipients} == sample.expected


@pytest.mark.parametrize(
    "raw",
    [
        write_letter("Your parcel could not be delivered to bob@customer.test, please call.", sender="a@customer.test")
        .replace(b"Return-Path: <>", b"Return-Path: <a@customer.test>")
        .replace(b"Undelivered Mail Returned to Sender", b"Delivery problem with order 17"),
        write_letter("Read our offers, or write to help@shop.test.", subject="Free delivery", sender="news@shop.test"),
        write_letter(
            "Please click to deliver your message to ann@there.test.", subject="Confirm", sender="ann@there.test"
        ),
        write_letter(
            "Report domain: ours.test", subject="Report domain: ours.test Submitter: x", sender="dmarc@there.test"
        ),
        b"Subject: Read: hello\nContent-Type: multipart/report; report-type=disposition-notification; boundary=b\n\n"
        b"--b\nContent-Type: text/plain\n\nYour message was displayed.\n\n"
        b"--b\nContent-Type: message/disposition-notification\n\n"
        b"Final-Recipient: rfc822;ann@there.test\nDisposition: manual-action/MDN-sent-manually; displayed\n\n--b--\n",
        OUR_MAIL.encode(),
        b"",
    ],
    ids=[
        "a customer's complaint",
        "newsletter",
        "challenge",
        "DMARC report",
        "read receipt",
        "our own mail",
        "nothing",
    ],
)
def test_mail_that_reports_nothing_is_left_alone(raw: bytes):
    report = parse_report(raw)

    assert (report.kind, report.recipients) == ("none", ())


@pytest.mark.parametrize(
    ("subject", "headers"),
    [
        ("Out of office: Your order", []),
        ("Automatic reply: Your order", []),
        ("Away until May", ["Auto-Submitted: auto-replied (vacation)"]),
        ("Re: Your order", ["X-Auto-Response-Suppress: All"]),
        ("Re: Your order", ["Precedence: auto_reply"]),
    ],
)
def test_an_automatic_reply_is_not_a_bounce_and_names_its_sender(subject: str, headers: list[str]):
    body = "I am away. Mail cannot be delivered to my desk; ask bob@there.test."
    report = parse_report(write_letter(body, sender="ann@there.test", subject=subject, headers=headers))

    assert report.kind == "none"
    assert [(one.address, one.action, one.hard, one.reason) for one in report.recipients] == [
        ("ann@there.test", "replied", False, "vacation")
    ]


def test_the_addresses_in_our_returned_mail_are_not_taken_for_recipients():
    raw = write_letter(
        "<ann@there.test>:\n550 5.1.1 no such user\n\n--- Below this line is a copy of the message.\n\n" + OUR_MAIL
    )

    assert [one.address for one in parse_report(raw).recipients] == ["ann@there.test"]


def test_our_own_address_counts_only_when_no_other_is_there():
    other = write_letter("<bounces+7.a1b2@ours.test>\n<ann@there.test>: 550 5.1.1 no such user")
    alone = write_letter("<bounces+7.a1b2@ours.test>: 550 5.1.1 no such user")

    assert [one.address for one in parse_report(other).recipients] == ["ann@there.test"]
    assert [one.address for one in parse_report(alone).recipients] == ["bounces+7.a1b2@ours.test"]


def test_a_verp_address_identifies_the_recipient_as_a_last_resort():
    raw = write_letter("Your message was not delivered: no such user.").replace(
        b"bounces+7.a1b2@ours.test", b"bounces-7-ann=there.test@ours.test"
    )

    assert [one.address for one in parse_report(raw).recipients] == ["ann@there.test"]


def test_a_report_has_its_return_path_and_the_message_it_concerns():
    raw = write_letter(
        "<ann@there.test>: 550 5.1.1 no such user\n\n----- Original message -----\n\n" + OUR_MAIL,
        headers=["Delivered-To: bounces+7.a1b2@ours.test"],
    ).replace(b"To: bounces+7.a1b2@ours.test\nSubject", b"To: Someone <someone@ours.test>\nSubject")
    report = parse_report(raw)

    assert report.addressed_to == ("bounces+7.a1b2@ours.test", "someone@ours.test")
    assert report.original_message_id == "0194-a1b2@ours.test"


@pytest.mark.parametrize(
    ("charset", "encoding", "body"),
    [
        ("iso-2022-jp", "7bit", "宛先不明\n<ann@there.test>: 550 5.1.1 user unknown".encode("iso-2022-jp")),
        ("utf-8", "base64", b"PGFubkB0aGVyZS50ZXN0PjogNTUwIDUuMS4xIHVzZXIgdW5r\nbm93bg=="),
        ("utf-8", "quoted-printable", b"<ann@there=2Etest>: 550 5.1.1 user unk=\nnown"),
        ("no-such-charset", "8bit", b"<ann@there.test>: 550 5.1.1 user unknown \xff\xfe"),
        ("us-ascii", "8bit", "<ann@there.test>: 550 5.1.1 utilisateur inconnu à cette adresse".encode()),
    ],
)
def test_encodings_do_not_hide_a_bounce(charset: str, encoding: str, body: bytes):
    headers = [f"Content-Type: text/plain; charset={charset}", f"Content-Transfer-Encoding: {encoding}"]
    raw = write_letter("", headers=headers) + b"Delivery has failed to these recipients:\n\n" * (encoding != "base64")
    (recipient,) = parse_report(raw + body).recipients

    assert (recipient.address, recipient.hard) == ("ann@there.test", True)


def test_html_is_read_without_its_markup():
    html = (
        "<html><head><style>a@b.test {}</style></head><body><p>Your message did not reach the following recipient(s):"
        "<br><br>ann@there.test on Monday<br>&nbsp;&nbsp;The recipient name is not recognized</body></html>"
    )
    (recipient,) = parse_report(write_letter(html, headers=["Content-Type: text/html"])).recipients

    assert (recipient.address, recipient.hard) == ("ann@there.test", True)


def test_an_mbox_file_gives_the_recipients_of_all_its_mails():
    start = b"From MAILER-DAEMON Mon Jan  6 10:00:00 2025\n"
    first = write_letter("<ann@there.test>: 550 5.1.1 no such user\n")
    second = write_letter("<ben@there.test>: 452 4.2.2 mailbox full\n")
    report = parse_report(start + first + b"\n" + start + second)

    assert [(one.address, one.hard) for one in report.recipients] == [
        ("ann@there.test", True),
        ("ben@there.test", False),
    ]
