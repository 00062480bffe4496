"""Reports for tests, written by us in the forms that mail systems use."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

OUR_MAIL = """\
Return-Path: <bounces+7.a1b2@ours.test>
Received: from app.ours.test by mx.relay.test for <ann@there.test>; Mon, 6 Jan 2025 10:00:00 +0000
Message-ID: <0194-a1b2@ours.test>
From: Shop <shop@ours.test>
To: Ann <ann@there.test>
Subject: Your order

Thank you. Write to help@ours.test, or to bob@elsewhere.test.
"""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A mail, and what it says: for each recipient whether the failure is hard."""

    name: str
    raw: bytes
    expected: Mapping[str, bool] = field(default_factory=dict)
    kind: str = "bounce"


def write_letter(
    body: str,
    *,
    sender: str = "Mail Delivery Subsystem <MAILER-DAEMON@mx.relay.test>",
    subject: str = "Undelivered Mail Returned to Sender",
    headers: Sequence[str] = (),
) -> bytes:
    """A report in prose to our bounce address."""
    top = ["Return-Path: <>", f"From: {sender}", "To: bounces+7.a1b2@ours.test", f"Subject: {subject}", *headers]
    return ("\n".join(top) + "\n\n" + body).encode()


def write_dsn(*groups: str, notice: str = "", returned: str = OUR_MAIL, about_message: str = "") -> bytes:
    """An RFC 3464 report; `groups` are the recipients' fields."""
    about = f"Reporting-MTA: dns; mx.relay.test\n{about_message}".strip()
    status = "\n\n".join((about, *groups))
    return f"""\
Return-Path: <>
Delivered-To: bounces+7.a1b2@ours.test
From: MAILER-DAEMON@mx.relay.test (Mail Delivery System)
To: bounces@ours.test
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="=b"

This is a MIME-encapsulated message.

--=b
Content-Type: text/plain; charset=us-ascii

{notice}

--=b
Content-Type: message/delivery-status

{status}

--=b
Content-Type: message/rfc822

{returned}
--=b--
""".encode()


def write_feedback(fields: str, *, returned: str = OUR_MAIL) -> bytes:
    """An RFC 5965 report."""
    return f"""\
From: feedback@provider.test
To: fbl@ours.test
Subject: FW: Your order
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="=f"

--=f
Content-Type: text/plain

This is an email abuse report.

--=f
Content-Type: message/feedback-report

{fields}

--=f
Content-Type: message/rfc822

{returned}
--=f--
""".encode()


# Each in the layout of another mail system, with its own way to name recipients and to return our mail.
LETTERS = [
    Sample(
        name="recipient in brackets, reply behind a host's name",
        raw=write_letter(
            "This is the mail system at host mx.relay.test.\n\n"
            "For further assistance, please send mail to <postmaster@mx.relay.test>\n\n"
            "<ann@there.test>: host mx.there.test[192.0.2.1] said: 550 5.1.1 <ann@there.test>:\n"
            "    Recipient address rejected: User unknown (in reply to RCPT TO command)\n\n"
            "<ben@full.test>: host mx.full.test[192.0.2.2] said: 452 4.2.2 Over quota (in reply\n"
            "    to RCPT TO command)\n"
        ),
        expected={"ann@there.test": True, "ben@full.test": False},
    ),
    Sample(
        name="indented recipient, reply below, our mail behind a dashed line",
        raw=write_letter(
            "A message that you sent could not be delivered to one or more of its recipients.\n"
            "The following address(es) failed:\n\n"
            "  ann@there.test\n"
            "    host mx.there.test [192.0.2.1]\n"
            "    SMTP error from remote mail server after RCPT TO:<ann@there.test>:\n"
            "    550 no such person here\n\n"
            "------ This is a copy of the message, including all the headers. ------\n\n" + OUR_MAIL
        ),
        expected={"ann@there.test": True},
    ),
    Sample(
        name="the header names the failed recipient",
        raw=write_letter(
            "Delivery to the following recipient failed permanently:\n\n"
            "     ann@there.test\n\n"
            "The error that the other server returned was:\n"
            "552 5.2.2 mailbox is over its storage limit\n\n"
            "----- Original message -----\n\n" + OUR_MAIL,
            headers=["X-Failed-Recipients: ann@there.test"],
        ),
        expected={"ann@there.test": False},
    ),
    Sample(
        name="qmail's paragraphs",
        raw=write_letter(
            "Hi. I wasn't able to deliver your message to the following addresses.\n\n"
            "<ann@there.test>:\nSorry, no mailbox here by that name. (#5.1.1)\n\n"
            "<ben@nowhere.test>:\nSorry, I couldn't find any host named nowhere.test. (#5.1.2)\n\n"
            "<cas@there.test>:\n192.0.2.1 failed after I sent the message.\nRemote host said: 554 looks like spam\n\n"
            "--- Below this line is a copy of the message.\n\n" + OUR_MAIL,
            subject="failure notice",
        ),
        expected={"ann@there.test": True, "ben@nowhere.test": True, "cas@there.test": False},
    ),
    Sample(
        name="a transcript of the SMTP conversation",
        raw=write_letter(
            "   ----- Transcript of session follows -----\n"
            "While talking to mx.there.test:\n"
            ">>> RCPT To:<ann@there.test>\n"
            "<<< 550 We know nobody of that name; no such user.\n"
            "550 <ann@there.test>... User unknown\n"
            "While talking to mx.busy.test:\n"
            ">>> DATA\n"
            "<<< 421 Too many connections\n"
            "554 <ben@busy.test>... Remote protocol error\n\n"
            "   ----- Unsent message follows -----\n" + OUR_MAIL,
            subject="Returned mail: User unknown",
        ),
        expected={"ann@there.test": True, "ben@busy.test": False},
    ),
    Sample(
        name="the cause stands before the recipient",
        raw=write_letter(
            "Your message:\n   From: bounces+7.a1b2@ours.test\n   Subject: Your order\n\n"
            "Could not be delivered because of\n\n550 5.1.1 User unknown\n\n"
            "The following recipients were affected:\n    ann@there.test\n"
        ),
        expected={"ann@there.test": True},
    ),
    Sample(
        name="a directory speaks of its own mailboxes",
        raw=write_letter(
            "Your message\n\n  Subject: Your order\n\nwas not delivered to:\n\n  ann@there.test\n\nbecause:\n\n"
            "  User ann (ann@there.test) not listed in the directory\n",
            sender="Postmaster@there.test",
            subject="DELIVERY FAILURE: User ann not listed",
        ),
        expected={"ann@there.test": True},
    ),
    Sample(
        name="recipient with a date behind it",
        raw=write_letter(
            "Your message\n\n  To:      bounces+7.a1b2@ours.test\n  Subject: Your order\n\n"
            "did not reach the following recipient(s):\n\n"
            "ann@there.test on Mon, 6 Jan 2025 10:00:05 +0000\n    The recipient name is not recognized\n",
            sender="System Administrator <postmaster@there.test>",
            subject="Undeliverable: Your order",
        ),
        expected={"ann@there.test": True},
    ),
    Sample(
        name="one line, the cause before the recipient",
        raw=write_letter(
            "Unknown user: ann@there.test\n\nOriginal message follows.\n\n" + OUR_MAIL,
            sender='"Postmaster" <postmaster@there.test>',
            subject="Undeliverable Mail",
        ),
        expected={"ann@there.test": True},
    ),
    Sample(
        name="full, in one line",
        raw=write_letter(
            "User mailbox exceeds allowed size: ann@there.test\n\nOriginal message follows.\n\n" + OUR_MAIL
        ),
        expected={"ann@there.test": False},
    ),
    Sample(
        name="recipient in the middle of a sentence",
        raw=write_letter(
            "There was an error delivering your mail to <ann@there.test>.\n\n"
            "mx.there.test [192.0.2.1] did not like our RCPT TO:\n550 5.1.1 no mailbox of that name\n\n"
            "Message headers follow.\n\n" + OUR_MAIL,
            subject="Mail delivery failed",
        ),
        expected={"ann@there.test": True},
    ),
    Sample(
        name="only our returned mail tells whom it was for",
        raw=write_letter(
            "We are sorry: one of the recipients of your message is not a valid user of this system.\n\n"
            "--- Returned Message ---\n\n" + OUR_MAIL,
            subject="Mail delivery failed: returning message to sender",
        ),
        expected={"ann@there.test": True},
    ),
    Sample(
        name="quoted by a person who forwarded it",
        raw=write_letter(
            "> Subject: Returned mail: see transcript for details\n>\n"
            ">    ----- The following addresses had permanent fatal errors -----\n"
            "> <ann@there.test>\n>     (reason: 550 5.1.1 User unknown)\n>\n"
            "> Final-Recipient: RFC822; ann@there.test\n> Action: failed\n> Status: 5.1.1\n"
            "> Diagnostic-Code: SMTP; 550 5.1.1 User unknown\n",
            sender="Eve <eve@ours.test>",
            subject="Fwd: Returned mail: see transcript for details",
        ),
        expected={"ann@there.test": True},
    ),
    Sample(
        name="in Russian, with the header",
        raw=write_letter(
            "Ваше письмо не может быть доставлено одному или нескольким получателям:\n\n"
            "  ann@there.test\n    ящик получателя переполнен\n",
            sender="mailer-daemon@there.test",
            headers=["X-Failed-Recipients: ann@there.test", "Content-Type: text/plain; charset=utf-8"],
        ),
        expected={"ann@there.test": False},
    ),
    Sample(
        name="a warning that mail is late",
        raw=write_letter(
            "THIS IS A WARNING MESSAGE ONLY. YOU DO NOT NEED TO RESEND YOUR MESSAGE.\n\n"
            "Delivery to the following recipient has been delayed:\n\n     ann@there.test\n\n"
            "450 4.1.1 user unknown for the moment\n",
            subject="Delivery Status Notification (Delay)",
        ),
        expected={"ann@there.test": False},
        kind="delayed",
    ),
]
