"""Text bounces are recognised by their layout, whoever wrote them; other letters are ignored."""

import pytest

from delivery.reports.parse import parse_report
from tests.delivery.reports.samples import LETTERS, OUR_MAIL, Sample, write_dsn, write_letter


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


DELAYS = [
    (
        "Warning: message 1abcDE-000001-AB delayed 24 hours",
        "A message that you sent has not yet been delivered to one or more of its\nrecipients after more than 24 hours "
        "on the queue on mx.relay.test.\n\nThe address to which the message has not yet been delivered is:\n\n  "
        "ann@there.test\n\nNo action is required on your part.",
    ),
    (
        "Delayed Mail (still being retried)",
        "Your message could not be delivered for more than 4 hour(s).\nIt will be retried until it is 5 day(s) old.\n\n"
        "<ann@there.test>: connect to mx.there.test[192.0.2.1]:25: Connection timed out",
    ),
    (
        "Delivery Status Notification (Delay)",
        "Delivery to the following recipient has been delayed:\n\n  ann@there.test\n\nMessage will be retried.",
    ),
]
FORMS = {
    "exim": "A message that you sent could not be delivered. The following address failed:\n\n  ann@there.test\n"
    "    SMTP error from remote mail server after RCPT TO:<ann@there.test>:\n    {}\n",
    "qmail": "I'm afraid I wasn't able to deliver your message to the following addresses.\n\n<ann@there.test>:\n"
    "192.0.2.5 does not like recipient.\nRemote host said: {}\nGiving up on 192.0.2.5.\n",
    "sendmail": "   ----- The following addresses had permanent fatal errors -----\n<ann@there.test>\n"
    "    (reason: {0})\n\n   ----- Transcript of session follows -----\n>>> RCPT To:<ann@there.test>\n<<< {0}\n",
}


@pytest.mark.parametrize(("subject", "body"), DELAYS)
def test_a_warning_of_a_delay_is_no_bounce(subject: str, body: str):
    report = parse_report(write_letter(body, subject=subject))

    assert report.kind == "delayed"
    assert [(one.address, one.reason, one.hard, one.suppress) for one in report.recipients] == [
        ("ann@there.test", "expired", False, False)
    ]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("reply", "reason", "suppress"),
    [
        ("550 No such user here", "no_such_user", True),
        ("550 5.1.1", "no_such_user", True),
        ("550 5.7.1 no such user", "no_such_user", True),
        ("550 Benutzer unbekannt", "no_such_user", True),
        ("550 5.1.1 mailbox over quota", "mailbox_full", False),
        ("550 Client host [192.0.2.7] blocked using list.test", "blocked", False),
        ("550 Recipient requires confirmation", "filtered", False),
        ("550 5.2.1 The account is disabled", "disabled", False),
        ("550 Helo command rejected: Host not found", "blocked", False),
    ],
)
def test_a_reply_in_prose_is_judged_as_the_reply_itself(form: str, reply: str, reason: str, suppress: bool):
    report = parse_report(write_letter(FORMS[form].format(reply), subject="Mail delivery failed"))

    assert [(one.reason, one.suppress) for one in report.recipients] == [(reason, suppress)]


@pytest.mark.parametrize("words", ["but my name was rejected", "but sender was rejected"])
def test_what_a_server_said_before_the_recipient_is_not_about_it(words: str):
    body = f"{FORMS['qmail']}".replace("192.0.2.5 does not like recipient.", f"Connected to 192.0.2.5 {words}.")
    (one,) = parse_report(write_letter(body.format("501 Invalid domain"), subject="failure notice")).recipients

    assert (one.hard, one.suppress, one.about) == (False, False, "identity")


def test_a_vague_status_hides_no_better_code_in_the_text():
    notice = "Failed to deliver to 'ann@there.test'\n host mx.there.test says:\n 550 5.1.1 User unknown\n"
    report = parse_report(
        write_dsn("Final-Recipient: rfc822; ann@there.test\nAction: failed\nStatus: 5.0.0", notice=notice)
    )

    assert [(one.status, one.suppress) for one in report.recipients] == [("5.1.1", True)]
