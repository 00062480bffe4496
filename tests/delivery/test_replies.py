from datetime import timedelta
from functools import partial
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.envelope import Outcome, Stage
from delivery.judging.consequences import should_pause, should_suppress
from delivery.replies import (
    MAX_REPLY_BYTES,
    MAX_TEXT,
    MalformedReplyError,
    Peer,
    SmtpReply,
    classify,
    judge_reply,
    read_retry_after,
    read_text,
    take_reply,
)
from tests.effort import assert_linear


def say(line: str, stage: Stage = Stage.RCPT, *, is_final: bool = False):
    taken = take_reply(line.encode() + b"\r\n")
    assert taken is not None
    return classify(taken[0], stage=stage, peer=Peer("mx.test[192.0.2.1]:25", "TLSv1.3 X"), is_final=is_final)


# Reading


def test_one_line_is_a_reply():
    assert take_reply(b"250 2.1.0 Ok\r\n354 go") == (SmtpReply(250, (b"2.1.0 Ok",)), 14)


def test_a_code_alone_is_a_reply():
    assert take_reply(b"250\r\n") == (SmtpReply(250, (b"",)), 5)
    assert take_reply(b"250 \r\n") == (SmtpReply(250, (b"",)), 6)


def test_many_lines_are_one_reply():
    answer, end = take_reply(b"550-5.1.1 no such\r\n550-5.1.1 mailbox\r\n550 5.1.1 here\r\nrest")
    assert answer.code == 550
    assert read_text(answer) == ("5.1.1", "no such mailbox here")
    assert end == len(b"550-5.1.1 no such\r\n550-5.1.1 mailbox\r\n550 5.1.1 here\r\n")


@pytest.mark.parametrize("part", [b"", b"2", b"250", b"250 Ok", b"250 Ok\r", b"250-a\r\n", b"250-a\r\n250-b\r\n250"])
def test_a_part_of_a_reply_is_waited_for(part):
    assert take_reply(part) is None


def test_a_bare_lf_ends_a_line_too():
    assert take_reply(b"250-a\n250 b\n") == (SmtpReply(250, (b"a", b"b")), 12)


@pytest.mark.parametrize(
    "junk", [b"hello\r\n", b"\r\n", b"25 x\r\n", b"999 x\r\n", b"2500 x\r\n", b"250-a\r\nx\r\n", b"\x00\xff\n"]
)
def test_an_invalid_reply_is_rejected(junk):
    with pytest.raises(MalformedReplyError):
        take_reply(junk)


@pytest.mark.parametrize(
    "junk", [b"250-x\r\n" * 1000, b"250 " + b"x" * MAX_REPLY_BYTES + b"\r\n", b"250 " + b"x" * 2 * MAX_REPLY_BYTES]
)
def test_a_reply_without_end_is_refused(junk):
    with pytest.raises(MalformedReplyError, match="without end"):
        take_reply(junk)


@pytest.mark.parametrize("hidden", ["\u061c", "\u180e", "\u00ad", "\u2067", "\U000e0041", "\ue000", "\ud800"])
def test_text_has_no_characters_that_hide_or_reverse_it(hidden):
    line = f"5.1.1 a{hidden}b".encode("utf-8", "surrogatepass")
    assert read_text(SmtpReply(550, (line,)))[1].isprintable()


def test_text_is_printable_bounded_and_one_line():
    answer = SmtpReply(550, (b"5.7.1 a\x00b\x1b[31m\tc\r \xff\xc3\xa9\xe2\x80\xae " + b"y" * 5000,))
    enhanced_code, text = read_text(answer)
    assert enhanced_code == "5.7.1"
    assert text.startswith("a b [31m c �é y")
    assert len(text) <= MAX_TEXT


@pytest.mark.parametrize(
    ("line", "enhanced_code", "text"),
    [
        (b"#5.1.0 Address rejected.", "5.1.0", "Address rejected."),
        (b"<5.7.1> Blocked", "5.7.1", "Blocked"),
        (b"[4.7.1] Later", "4.7.1", "Later"),
        (b"5.1.1: gone", "5.1.1", "gone"),
        (b"5.1.10 null MX", "5.1.10", "null MX"),
        (b"2.0.0", "2.0.0", ""),
        (b"192.0.2.1 is blocked", "", "192.0.2.1 is blocked"),
        (b"5.1.1.1 odd", "", "5.1.1.1 odd"),
        (b"3.1.1 odd", "", "3.1.1 odd"),
        (b"see 5.1.1 there", "", "see 5.1.1 there"),
    ],
)
def test_enhanced_codes_are_found_where_they_are(line, enhanced_code, text):
    assert read_text(SmtpReply(550, (line,))) == (enhanced_code, text)


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(raw):
    try:
        taken = take_reply(raw)
    except MalformedReplyError:
        return
    if taken is not None:
        reply = classify(taken[0], stage=Stage.RCPT, peer=Peer(), is_final=False)
        assert "\x00" not in reply.text


def test_hostile_text_costs_linear_time():
    for text in ("again in " * 1700, "retry after " + "9" * 15_000, "wait\t" * 3000, "5.1.1" * 3000, " " * 16_000):
        assert_linear(partial(classify_hundred, text.encode()), len(text))


def classify_hundred(text: bytes, size: int) -> None:
    classify(SmtpReply(450, (text[:size],) * 100), stage=Stage.RCPT, peer=Peer(), is_final=False)


# Meaning


@pytest.mark.parametrize(("is_final", "outcome"), [(True, Outcome.DELIVERED), (False, Outcome.ACCEPTED)])
def test_success_is_final_only_at_the_recipients_own_server(is_final, outcome):
    reply = say("250 2.0.0 Ok: queued as 4F", Stage.DOT, is_final=is_final)
    assert (reply.outcome, reply.code, reply.enhanced_code, reply.text) == (outcome, 250, "2.0.0", "Ok: queued as 4F")
    assert (reply.remote_host, reply.tls) == ("mx.test[192.0.2.1]:25", "TLSv1.3 X")
    assert reply.has_reached


@pytest.mark.parametrize(
    ("line", "outcome", "should_suppress"),
    [
        ("550 5.1.1 no such user", Outcome.BOUNCED, True),
        ("550 5.1.2 no such host", Outcome.BOUNCED, True),
        ("501 5.1.3 bad address", Outcome.BOUNCED, True),
        ("551 5.1.6 moved", Outcome.BOUNCED, True),
        ("556 5.1.10 null MX", Outcome.BOUNCED, True),
        ("550 5.2.1 disabled", Outcome.BOUNCED, False),
        ("550 no such user", Outcome.BOUNCED, True),
        ("551 not here", Outcome.BOUNCED, False),
        ("553 not allowed", Outcome.BOUNCED, False),
        ("554 no", Outcome.BOUNCED, False),
        ("550 5.0.0 no", Outcome.BOUNCED, False),
        ("550 5.1.0 no", Outcome.BOUNCED, False),
        ("550 5.1.99 no", Outcome.BOUNCED, False),
        ("550 5.2.0 no", Outcome.BOUNCED, False),
        ("552 5.2.2 full", Outcome.DEFERRED, False),
        ("552 full", Outcome.DEFERRED, False),
        ("552 5.3.4 too big", Outcome.FAILED, False),
        ("554 5.3.0 system", Outcome.FAILED, False),
        ("554 5.3.1 system", Outcome.DEFERRED, False),
        ("554 5.3.2 system", Outcome.DEFERRED, False),
        ("550 5.4.1 no answer", Outcome.FAILED, False),
        ("550 5.4.6 loop", Outcome.FAILED, False),
        ("550 5.4.3 directory", Outcome.DEFERRED, False),
        ("550 5.7.1 policy", Outcome.BOUNCED, False),
        ("550 5.7.26 unauthenticated", Outcome.BOUNCED, False),
        ("550 5.1.7 bad sender", Outcome.FAILED, False),
        ("550 5.1.8 bad sender's domain", Outcome.FAILED, False),
        ("503 5.5.1 out of order", Outcome.FAILED, False),
        ("554 5.6.0 content", Outcome.FAILED, False),
        ("501 syntax", Outcome.FAILED, False),
        ("450 4.2.1 busy", Outcome.DEFERRED, False),
        ("451 later", Outcome.DEFERRED, False),
        ("452 4.2.2 full", Outcome.DEFERRED, False),
        ("421 4.3.0 closing", Outcome.DEFERRED, False),
        ("550 4.1.1 at odds", Outcome.DEFERRED, False),
        ("450 5.1.1 at odds", Outcome.DEFERRED, False),
    ],
)
def test_refusals_at_rcpt(line, outcome, should_suppress):
    reply = say(line)
    assert (reply.outcome, reply.should_suppress) == (outcome, should_suppress)
    assert reply.has_reached
    assert not reply.should_pause


def test_suppression_needs_a_stage_that_knows_the_recipient():
    assert not say("550 5.1.1 who?", Stage.MAIL).should_suppress
    assert say("550 5.1.1 who?", Stage.DOT).should_suppress


def test_a_550_without_an_enhanced_code_suppresses_only_at_rcpt():
    assert not say("550 spam", Stage.DOT).should_suppress
    assert not say("550 who are you", Stage.MAIL).should_suppress


@pytest.mark.parametrize("stage", list(Stage))
@pytest.mark.parametrize("line", ["530 5.7.0 authenticate first", "535 5.7.8 bad credentials"])
def test_missing_or_wrong_credentials_pause_the_provider_and_bounce_no_recipient(line, stage):
    reply = say(line, stage)
    assert (reply.outcome, reply.should_pause, reply.should_suppress) == (Outcome.DEFERRED, True, False)


@pytest.mark.parametrize("line", ["500 what?", "534 5.7.9 too weak", "538 encrypt", "550 5.1.1 who?"])
def test_any_5xx_at_auth_is_our_fault(line):
    reply = say(line, Stage.AUTH)
    assert (reply.outcome, reply.should_pause) == (Outcome.DEFERRED, True)


@pytest.mark.parametrize("stage", [Stage.GREETING, Stage.EHLO])
def test_a_server_that_rejects_our_address_bounces_no_recipient(stage):
    reply = say("554 5.7.1 go away", stage)
    assert (reply.outcome, reply.should_slow, reply.has_reached) == (Outcome.DEFERRED, True, False)


@pytest.mark.parametrize("line", ["421 too many", "454 4.7.0 not now", "451 4.3.2 stopping", "450 4.4.5 congested"])
def test_some_deferrals_ask_for_less(line):
    assert say(line).should_slow


@pytest.mark.parametrize("line", ["450 4.2.0 greylisted", "451 later", "452 full", "550 5.7.1 no"])
def test_others_do_not(line):
    assert not say(line).should_slow


def test_an_answer_out_of_step_is_uncertain_only_after_the_dot():
    assert say("354 more", Stage.DOT).outcome is Outcome.UNCERTAIN
    assert say("354 more", Stage.MAIL).outcome is Outcome.DEFERRED
    assert say("250 ok", Stage.DATA).outcome is Outcome.DEFERRED


def test_every_code_has_a_verdict_that_keeps_the_promise():
    for stage, code, enhanced_code in product(
        Stage,
        (*range(100, 600, 50), 421, 452, 454, 521, 530, 535, 552, 553, 554, 556),
        ("", "4.0.0", "5.1.1", "5.9.9", "2.0.0"),
    ):
        for is_final in (False, True):
            judgement = judge_reply(stage, code, enhanced_code, "", is_final=is_final)
            assert not should_suppress(judgement) or judgement.outcome is Outcome.BOUNCED
            assert not should_pause(judgement) or (judgement.outcome is Outcome.DEFERRED and not is_final)
            if code < 500 and not (stage is Stage.DOT and code // 100 == 2):
                assert judgement.outcome in {Outcome.DEFERRED, Outcome.UNCERTAIN}


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        ("Greylisted, please try again in 300 seconds", timedelta(seconds=300)),
        ("retry after 5 minutes", timedelta(minutes=5)),
        ("come back in 1 hour", timedelta(hours=1)),
        ("Try again in 60s.", timedelta(seconds=60)),
        ("wait for 10 min", timedelta(minutes=10)),
        ("try again in 99999 hours", timedelta(hours=8)),
        ("try again in 7 days", None),
        ("try again later", None),
        ("mailbox has 300 seconds of fame", None),
    ],
)
def test_a_wait_that_the_server_asks_for_is_understood(text, wait):
    assert read_retry_after(text) == wait


def test_only_a_deferral_carries_a_wait():
    assert say("450 4.7.1 try again in 90 seconds").retry_after == timedelta(seconds=90)
    assert say("550 5.7.1 try again in 90 seconds").retry_after is None
