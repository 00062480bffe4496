"""The sink is the ground truth: mail is on disk before the 250, and it misbehaves exactly as told."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from smtplib import SMTP, SMTPDataError, SMTPRecipientsRefused, SMTPServerDisconnected
from typing import Any

import pytest

from drills.stand_ins import sink as sinks
from drills.stand_ins.rules import Act, Drop, Hold, ReplyWith, SinkMail, Stage
from drills.stand_ins.sink import Sink

MAIL = "Message-ID: <{}@drill.test>\r\nSubject: Hi\r\n\r\nHello.\r\n"
PATIENCE_SECONDS = 10


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Sink]:
    with Sink(tmp_path / "journal") as opened:
        yield opened


def send(sink: Sink, name: str) -> None:
    with SMTP("127.0.0.1", sink.port, timeout=PATIENCE_SECONDS) as client:
        client.sendmail("a@shop.test", [f"{name}@rcpt.test"], MAIL.format(name))


def at(stage: Stage, act: Act) -> Callable[[Stage, SinkMail], Act]:
    """A rule that acts at one stage of the first mail for each address."""
    return lambda asked, mail: act if asked is stage and not mail.earlier_count else None


def test_a_mail_is_in_the_journal_when_its_250_is_read(sink, tmp_path):
    send(sink, "one")
    send(sink, "two")
    assert (tmp_path / "journal").read_text() == "<one@drill.test> one@rcpt.test\n<two@drill.test> two@rcpt.test\n"
    assert [mail.address for mail in sink.taken] == ["one@rcpt.test", "two@rcpt.test"]


def test_the_journal_is_forced_to_disk_before_the_250(tmp_path, monkeypatch):
    forced: list[bytes] = []
    fsync = os.fsync

    def note(descriptor: int) -> None:
        forced.append((tmp_path / "journal").read_bytes())
        fsync(descriptor)

    monkeypatch.setattr(sinks.os, "fsync", note)
    with Sink(tmp_path / "journal") as opened:
        send(opened, "one")
        assert forced == [b"<one@drill.test> one@rcpt.test\n"]


def test_a_disk_that_fails_means_no_250(tmp_path, monkeypatch):
    def fail(_descriptor: int) -> None:
        raise OSError("disk full")

    with Sink(tmp_path / "journal") as opened:
        monkeypatch.setattr(sinks.os, "fsync", fail)
        with SMTP("127.0.0.1", opened.port, timeout=0.3) as client, pytest.raises((SMTPServerDisconnected, OSError)):
            client.sendmail("a@shop.test", ["one@rcpt.test"], MAIL.format("one"))
        assert not opened.taken


@pytest.mark.parametrize("stage", [Stage.RCPT, Stage.DATA, Stage.DOT])
def test_what_was_refused_is_not_taken_and_the_next_mail_is(sink, stage):
    sink.rule = at(stage, ReplyWith("450 4.2.0 not now"))
    errors: Any = (SMTPRecipientsRefused, SMTPDataError)
    with pytest.raises(errors):
        send(sink, "one")
    assert not sink.taken
    send(sink, "one")
    assert len(sink.taken) == 1


def test_a_line_cut_after_the_dot_leaves_the_mail_taken(sink):
    sink.rule = at(Stage.DOT, Drop())
    with pytest.raises(SMTPServerDisconnected):
        send(sink, "one")
    assert [mail.address for mail in sink.taken] == ["one@rcpt.test"]


@pytest.mark.parametrize("text", ["554 5.3.2 not me", "421 4.3.2 too busy"])
def test_a_greeting_can_be_a_refusal(sink, text):
    sink.rule = at(Stage.GREETING, ReplyWith(text))
    client = SMTP(timeout=PATIENCE_SECONDS)
    assert client.connect("127.0.0.1", sink.port)[0] == int(text[:3])
    client.close()
    send(sink, "one")
    assert len(sink.taken) == 1


def test_a_421_ends_the_conversation(sink):
    sink.rule = at(Stage.RCPT, ReplyWith("421 4.7.0 enough"))
    with SMTP("127.0.0.1", sink.port, timeout=PATIENCE_SECONDS) as client:
        client.ehlo()
        client.mail("a@shop.test")
        assert client.rcpt("one@rcpt.test")[0] == 421
        with pytest.raises(SMTPServerDisconnected):
            client.noop()


def test_what_is_held_is_on_disk_and_answered_when_released(sink):
    sink.rule = at(Stage.DOT, Hold())
    client = SMTP("127.0.0.1", sink.port, timeout=PATIENCE_SECONDS)
    client.ehlo()
    client.mail("a@shop.test")
    client.rcpt("one@rcpt.test")
    client.docmd("DATA")
    client.send(MAIL.format("one") + ".\r\n")
    while "one@rcpt.test" not in sink.held:
        pass
    assert len(sink.taken) == 1
    sink.held["one@rcpt.test"].release()
    assert client.getreply()[0] == 250
    client.quit()
