"""The SMTP side: accepted mail, rejected mail, and robustness."""

import smtplib
import socket
import time
from contextlib import AbstractContextManager
from dataclasses import replace
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any
from unittest.mock import patch

import pytest
from django.db import OperationalError, connection, connections

from delivery.smtp import incoming as intake
from inbox import listener, services, storing
from inbox.models import Mail
from tests.inbox.running_listener import Receive, RunningListener

pytestmark = pytest.mark.usefixtures("transactional_db")

HELLO = b"From: App <app@example.test>\r\nTo: Ann <ann@example.test>\r\nSubject: Hello\r\n\r\nHi Ann\r\n"


def send(inbox: RunningListener, content: bytes, to: list[str] | None = None) -> tuple[int, bytes]:
    """The reply to the final dot, or to what was refused before."""
    with inbox.connect() as smtp:
        smtp.ehlo()
        for command in ("MAIL FROM:<app@example.test>", *(f"RCPT TO:<{each}>" for each in to or ["ann@example.test"])):
            code, text = smtp.docmd(command)
            if code != 250:
                return code, text
        return smtp.data(content)


def limited(inbox: RunningListener, **limits: float) -> AbstractContextManager[Any]:
    """The listener with other limits for new connections."""
    assert inbox.listener is not None
    return patch.object(inbox.listener, "limits", replace(inbox.listener.limits, **limits))


class Wire:
    """A client that writes bytes as they are."""

    def __init__(self, inbox: RunningListener) -> None:
        self.socket = socket.create_connection(("127.0.0.1", inbox.port), timeout=20)
        self.file = self.socket.makefile("rb")

    def __enter__(self) -> "Wire":
        self.expect("220")
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        self.socket.close()

    def write(self, data: bytes) -> None:
        self.socket.sendall(data)

    def expect(self, code: str) -> str:
        """The next reply's last line, which must begin with `code`."""
        while (line := self.file.readline().decode())[3:4] == "-":
            pass
        assert line.startswith(code), line
        return line


ENVELOPE = b"EHLO me\r\nMAIL FROM:<app@example.test>\r\nRCPT TO:<ann@example.test>\r\n"


def begin_data(wire: Wire) -> None:
    wire.write(ENVELOPE + b"DATA\r\n")
    for code in ("250", "250", "250", "354"):
        wire.expect(code)


def test_a_mail_is_committed_when_the_dot_is_answered(inbox: RunningListener) -> None:
    with inbox.connect() as smtp:
        smtp.sendmail("app@example.test", ["Ann@Example.test", "bob@example.test"], HELLO)
        mail = Mail.objects.get()
    assert bytes(mail.raw) == HELLO
    assert mail.mail_from == "app@example.test"
    assert mail.rcpt_to == ["Ann@Example.test", "bob@example.test"]
    assert mail.rcpt_folded == ["ann@example.test", "bob@example.test"]
    assert (mail.subject, mail.header_from, mail.header_to) == (
        "Hello",
        "App <app@example.test>",
        "Ann <ann@example.test>",
    )
    assert (mail.size, mail.remote_host, mail.pk.version) == (len(HELLO), "127.0.0.1", 7)


def test_every_transaction_of_a_connection_is_a_mail_of_its_own(inbox: RunningListener) -> None:
    with inbox.connect() as smtp:
        for number in range(3):
            smtp.sendmail("app@example.test", [f"u{number}@example.test"], HELLO)
    assert [mail.rcpt_to for mail in Mail.objects.order_by("pk")] == [
        [f"u{number}@example.test"] for number in range(3)
    ]


def test_a_bounce_comes_from_the_empty_sender(inbox: RunningListener) -> None:
    with inbox.connect() as smtp:
        smtp.sendmail("", ["ann@example.test"], HELLO)
    assert Mail.objects.get().mail_from == ""


def test_bytes_arrive_identical(inbox: RunningListener) -> None:
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"], message["Subject"] = "app@example.test", "ann@example.test", "Größe ✓"
    message.set_content("Zeile\n.\n..\n.punkt\nünï\n" + "long " * 2000)
    message.add_alternative("<p>ünï</p>" * 500, subtype="html")
    content = message.as_bytes()
    assert send(inbox, content)[0] == 250
    assert bytes(Mail.objects.get().raw) == content


def test_eight_bit_content_arrives_identical(inbox: RunningListener) -> None:
    content = "Subject: ü\r\n\r\nünï ✓\r\n".encode()
    assert send(inbox, content)[0] == 250
    assert bytes(Mail.objects.get().raw) == content


def test_an_empty_message_is_taken(inbox: RunningListener) -> None:
    with Wire(inbox) as wire:
        begin_data(wire)
        wire.write(b".\r\n")
        wire.expect("250")
    assert bytes(Mail.objects.get().raw) == b""


def test_extensions_are_offered_and_no_others(inbox: RunningListener) -> None:
    with inbox.connect() as smtp:
        smtp.ehlo()
        assert smtp.esmtp_features["size"] == str(intake.MESSAGE_BYTES)
        assert {"8bitmime", "pipelining", "enhancedstatuscodes"} <= set(smtp.esmtp_features)
        assert not {"smtputf8", "starttls", "auth", "chunking"} & set(smtp.esmtp_features)


def test_pipelined_commands_around_the_message_are_answered_in_order(inbox: RunningListener) -> None:
    second = b"MAIL FROM:<b@example.test>\r\nRCPT TO:<>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n"
    with Wire(inbox) as wire:
        wire.write(ENVELOPE + b"DATA\r\n" + HELLO + b".\r\n" + second + b"Subject: two\r\n\r\n..\r\n.\r\nQUIT\r\n")
        for code in ("250", "250", "250", "354", "250", "250", "553", "250", "354", "250", "221"):
            wire.expect(code)
    assert [bytes(mail.raw) for mail in Mail.objects.order_by("pk")] == [HELLO, b"Subject: two\r\n\r\n.\r\n"]


def test_a_message_in_single_bytes_arrives(inbox: RunningListener) -> None:
    with Wire(inbox) as wire:
        begin_data(wire)
        for byte in b"Subject: x\r\n\r\n.\r.\r\n..\r\n"[:-6] + b"..\r\n.\r\n":
            wire.write(bytes([byte]))
        wire.expect("554")
        begin = b"MAIL FROM:<a@example.test>\r\nRCPT TO:<ann@example.test>\r\nDATA\r\n"
        wire.write(begin)
        for code in ("250", "250", "354"):
            wire.expect(code)
        for byte in b"Subject: x\r\n\r\n..\r\n...\r\n.\r\n":
            wire.write(bytes([byte]))
        wire.expect("250")
    assert bytes(Mail.objects.get().raw) == b"Subject: x\r\n\r\n.\r\n..\r\n"


@pytest.mark.parametrize(
    "content", [b"a\nb\r\n", b"a\rb\r\n", b"a\n.\r\nMAIL FROM:<evil@example.test>\r\n", b"a\r\r\n"]
)
def test_bare_line_ends_are_refused_and_the_conversation_goes_on(inbox: RunningListener, content: bytes) -> None:
    with Wire(inbox) as wire:
        begin_data(wire)
        wire.write(b"Subject: x\r\n\r\n" + content + b".\r\n")
        wire.expect("554")
        wire.write(b"NOOP\r\n")
        wire.expect("250")
    assert not Mail.objects.exists()


@pytest.mark.parametrize(("length", "code"), [(998, 250), (999, 554), (5000, 554)])
def test_lines_are_limited_to_998_octets(inbox: RunningListener, length: int, code: int) -> None:
    lines = [b"x" * length, b"y" * 998, b"", b"z"]
    assert send(inbox, b"Subject: x\r\n\r\n" + b"\r\n".join(lines) + b"\r\n")[0] == code
    assert Mail.objects.count() == (code == 250)


def test_a_message_announced_too_large_is_refused_at_mail(inbox: RunningListener) -> None:
    with inbox.connect() as smtp:
        smtp.ehlo()
        assert smtp.docmd(f"MAIL FROM:<a@example.test> SIZE={intake.MESSAGE_BYTES}")[0] == 250
        smtp.rset()
        assert smtp.docmd(f"MAIL FROM:<a@example.test> SIZE={intake.MESSAGE_BYTES + 1}")[0] == 552


def test_a_message_that_is_too_large_is_refused_after_its_end(inbox: RunningListener) -> None:
    assert inbox.listener is not None
    with patch.object(inbox.listener.budget, "message_limit", 100_000), inbox.connect() as smtp:
        smtp.ehlo()
        for content, code in ((b"x" * 70 + b"\r\n") * 5000, 552), ((b"x" * 70 + b"\r\n") * 1000, 250):
            smtp.docmd("MAIL FROM:<a@example.test>")
            smtp.docmd("RCPT TO:<ann@example.test>")
            assert smtp.data(content)[0] == code
    assert Mail.objects.get().size == 72_000


def test_a_large_message_arrives_identical(inbox: RunningListener) -> None:
    content = b"Subject: large\r\n\r\n" + (b"." + b"x" * 74 + b"\r\n") * 130_000
    assert send(inbox, content)[0] == 250
    assert bytes(Mail.objects.get().raw) == content


def test_more_bytes_than_all_may_hold_are_refused_for_now(inbox: RunningListener) -> None:
    assert inbox.listener is not None
    budget = inbox.listener.budget
    with Wire(inbox) as wire, patch.object(budget, "limit", 50_000):
        begin_data(wire)
        wire.write((b"x" * 70 + b"\r\n") * 2000 + b".\r\n")
        wire.expect("452")
    assert budget.buffered == 0
    assert send(inbox, HELLO)[0] == 250
    assert budget.buffered == 0


def test_a_client_that_goes_away_amid_the_message_leaves_nothing(inbox: RunningListener) -> None:
    assert inbox.listener is not None
    with Wire(inbox) as wire:
        begin_data(wire)
        wire.write(b"Subject: cut\r\n\r\nhalf a")
    assert send(inbox, HELLO)[0] == 250
    assert Mail.objects.get().subject == "Hello"
    assert inbox.listener.budget.buffered == 0


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (b"RCPT TO:<ann@example.test>", "503"),
        (b"DATA", "503"),
        (b"MAIL FROM:<a@example.test> BODY=BINARYMIME", "501"),
        (b"MAIL FROM:<a@example.test> SMTPUTF8", "501"),
        (b"MAIL FROM:<a@example.test> NONSENSE=1", "555"),
        (b"MAIL FROM:<@", "553"),
        ("MAIL FROM:<ü@example.test>".encode(), "500"),
        (b"MAIL FROM:<" + b"a" * 600 + b"@example.test>", "500"),
        (b"x" * 200_000, "500"),
        (b"NONSENSE", "500"),
        (b"\x00\x00", "500"),
    ],
)
def test_a_wrong_command_is_refused_and_the_conversation_goes_on(
    inbox: RunningListener, command: bytes, code: str
) -> None:
    with Wire(inbox) as wire:
        wire.write(b"EHLO me\r\n")
        wire.expect("250")
        wire.write(command + b"\r\nNOOP\r\n")
        wire.expect(code)
        wire.expect("250")


def test_recipients_are_limited(inbox: RunningListener) -> None:
    with limited(inbox, recipients=2):
        assert send(inbox, HELLO, [f"u{number}@example.test" for number in range(3)])[0] == 452


def test_connections_are_limited(inbox: RunningListener) -> None:
    with limited(inbox, connections=1), inbox.connect() as smtp:
        with pytest.raises(smtplib.SMTPConnectError, match="421"):
            inbox.connect()
        assert smtp.noop()[0] == 250


def test_three_hundred_idle_connections_delay_no_other_client(inbox: RunningListener) -> None:
    idle = [socket.create_connection(("127.0.0.1", inbox.port)) for _ in range(300)]
    try:
        assert send(inbox, HELLO)[0] == 250
    finally:
        for each in idle:
            each.close()


def test_a_silent_client_is_let_go(inbox: RunningListener) -> None:
    with limited(inbox, idle_seconds=0.3), Wire(inbox) as wire:
        assert wire.file.read() == b""


def drop_connections() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def test_mail_is_deferred_while_the_database_is_away_and_taken_when_it_is_back(inbox: RunningListener) -> None:
    assert send(inbox, HELLO)[0] == 250
    with patch.object(type(connections["default"]), "get_new_connection", side_effect=OperationalError):
        drop_connections()
        assert [send(inbox, HELLO)[0] for _ in range(storing.THREAD_COUNT * 2)] == [451] * storing.THREAD_COUNT * 2
    assert send(inbox, HELLO)[0] == 250
    assert Mail.objects.count() == 2


def test_mail_is_taken_after_the_database_dropped_the_connections(inbox: RunningListener) -> None:
    for _ in range(storing.THREAD_COUNT * 2):
        assert send(inbox, HELLO)[0] == 250
    drop_connections()
    for _ in range(storing.THREAD_COUNT * 2):
        assert send(inbox, HELLO)[0] == 250


def test_the_oldest_mail_is_forgotten_by_count_and_by_bytes(receive: Receive) -> None:
    kept = [receive(f"Subject: {number}\n\n{'x' * 100}\n") for number in range(6)]
    assert services.prune_mail(keep_count=4, keep_bytes=10**9) == 2
    assert services.prune_mail(keep_count=4, keep_bytes=kept[0].size * 2) == 2
    assert list(Mail.objects.order_by("pk").values_list("subject", flat=True)) == ["4", "5"]
    assert services.prune_mail(keep_count=4, keep_bytes=1) == 1
    assert services.prune_mail(keep_count=4, keep_bytes=1) == 0


def test_the_listener_prunes_as_it_receives(inbox: RunningListener) -> None:
    with patch.object(listener, "PRUNE_EVERY", 2), patch.object(storing, "prune_mail", lambda: services.prune_mail(1)):
        for _ in range(4):
            send(inbox, HELLO)
        until = time.monotonic() + 60
        while Mail.objects.count() > 2 and time.monotonic() < until:
            time.sleep(0.02)
    assert Mail.objects.count() <= 2


def test_stopping_lets_idle_clients_know(inbox: RunningListener) -> None:
    with Wire(inbox) as wire:
        inbox.stop()
        wire.expect("421")


def test_what_postgresql_cannot_hold_is_stored_all_the_same(inbox: RunningListener) -> None:
    content = b"Subject: a\x00b =?utf-8?q?c=00d=ED=A0=80?=\r\nFrom: \xff\xfe\r\n\r\n\x00\x01\r\n"
    assert send(inbox, content)[0] == 250
    mail = Mail.objects.get()
    assert bytes(mail.raw) == content
    assert mail.subject.startswith("a")
