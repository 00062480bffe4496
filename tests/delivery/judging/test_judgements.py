"""What holds for all judgements: who may pause a provider, what suppresses, and which evidence counts more."""

import json
from itertools import product

import pytest

from delivery.envelope import Outcome, Stage
from delivery.judging.consequences import should_pause, should_suppress
from delivery.judging.judge import judge
from delivery.judging.model import HARD_BOUNCE, NO_MAILBOX, Category, Refusal
from delivery.judging.rules import RULES
from delivery.judging.terms import About, Reason, Speaker
from delivery.replies import Peer, SmtpReply, classify
from delivery.reports.parse import parse_report
from tests.needs import NOT_SHARED, SHARED

CASES = SHARED / "cases/delivery" if SHARED else None
OURS = {Speaker.RELAY, Speaker.ESP}


def hear(text: str, stage: Stage = Stage.RCPT, *, is_final: bool = False):
    code, _, rest = text.partition(" ")
    return classify(SmtpReply(int(code), (rest.encode(),)), stage=stage, peer=Peer(), is_final=is_final)


@pytest.mark.parametrize("speaker", list(Speaker))
@pytest.mark.parametrize(
    "words", ["", "user unknown", "relay denied", "blocked by list.test", "login required", "full"]
)
def test_consequences_follow_from_speaker_and_subject_alone(speaker: Speaker, words: str):
    stages = (None, Stage.GREETING, Stage.AUTH, Stage.MAIL, Stage.RCPT, Stage.DOT)
    codes = (None, 421, 450, 521, 530, 535, 550, 552, 556)
    for stage, code, enhanced_code in product(stages, codes, ("", "4.7.1", "5.1.1", "5.2.1")):
        judgement = judge(Refusal(speaker=speaker, stage=stage, code=code, enhanced_code=enhanced_code, words=words))
        if should_suppress(judgement):
            assert (judgement.outcome, judgement.about) == (Outcome.BOUNCED, About.RECIPIENT)
        if should_pause(judgement):
            assert speaker in OURS
            assert (judgement.outcome, judgement.about is About.RECIPIENT) == (Outcome.DEFERRED, False)


def test_every_reason_of_a_refusal_has_a_rule():
    assert set(Reason) - set(RULES) == {Reason.COMPLAINT, Reason.DELIVERED, Reason.VACATION}


@pytest.mark.parametrize(
    "text", ["550 5.7.1 Relaying denied", "530 5.7.0 Authentication required", "554 Client host [192.0.2.7] blocked"]
)
def test_a_relays_refusal_of_us_pauses_it_and_bounces_nobody(text: str):
    reply = hear(text)
    assert (reply.outcome, reply.should_pause) == (Outcome.DEFERRED, True)


@pytest.mark.parametrize(
    ("text", "stage"),
    [
        ("550 host mx.there.test said: 554 client host blocked", Stage.RCPT),
        ("550 5.7.1 callout failed: relaying denied", Stage.RCPT),
        ("554 5.7.1 blocked by list.test: a link in the message", Stage.DOT),
        ("550 5.7.1 Sender address rejected: not owned by user", Stage.MAIL),
    ],
)
def test_a_relays_refusal_of_one_mail_does_not_pause_it(text: str, stage: Stage):
    reply = hear(text, stage)
    assert reply.outcome in {Outcome.BOUNCED, Outcome.FAILED}
    assert not reply.should_pause


@pytest.mark.parametrize(
    "text", ["530 5.7.1 Authentication required", "535 no", "521 no mail here", "550 relay denied"]
)
def test_a_strangers_refusal_of_us_bounces_that_mail_alone(text: str):
    reply = hear(text, is_final=True)
    assert (reply.outcome, reply.about) == (Outcome.BOUNCED, "server")
    assert (reply.should_pause, reply.should_suppress) == (False, False)


def test_an_own_class_for_no_such_mailbox_counts_as_words():
    told = Refusal(speaker=Speaker.REPORT, code=550, enhanced_code="5.4.0", category=NO_MAILBOX)
    assert should_suppress(judge(told))


@pytest.mark.parametrize(
    ("code", "words", "is_suppressed"),
    [
        ("", "", True),
        ("5.0.0", "gone", True),
        ("5.7.1", "no", False),
        ("5.2.1", "no", False),
        ("", "blocked by list.test", False),
        ("", "the mailbox is full", False),
        ("5.0.0", "rejected by our policy", False),
    ],
)
def test_a_class_for_all_hard_bounces_counts_less_than_codes_and_words(code: str, words: str, is_suppressed: bool):
    told = Refusal(speaker=Speaker.REPORT, enhanced_code=code, words=words, category=HARD_BOUNCE)
    assert should_suppress(judge(told)) is is_suppressed


def test_words_count_more_than_a_class():
    told = Refusal(speaker=Speaker.REPORT, words="mailbox full", category=Category(Reason.NO_SUCH_USER))
    assert judge(told).reason is Reason.MAILBOX_FULL


def test_a_delayed_report_is_deferred_and_for_nobody_good():
    told = Refusal(speaker=Speaker.REPORT, code=450, enhanced_code="4.1.1", words="user unknown", is_delayed=True)
    assert (judge(told).outcome, judge(told).is_for_good) == (Outcome.DEFERRED, False)


@pytest.mark.parametrize(
    "row", CASES.joinpath("smtp-refusals.tsv").read_text().splitlines()[1:] if CASES else NOT_SHARED
)
def test_refusals_seen_in_the_wild_suppress_nobody_and_pause_nothing(row: str):
    text, right, *_ = row.split("\t")
    stage = Stage.GREETING if "greeting" in text else Stage.RCPT
    reply = hear(text, stage, is_final=True)
    assert reply.outcome in right.partition(", no")[0]
    assert (reply.should_pause, reply.should_suppress) == (False, False)


@pytest.mark.parametrize(
    ("name", "case"),
    json.loads(CASES.joinpath("expected-reports.json").read_text()).items()
    if CASES
    else [pytest.param("", {}, marks=NOT_SHARED[0].marks)],
)
def test_reports_seen_in_the_wild_are_judged_right(name: str, case: dict[str, dict[str, object]]):
    assert CASES is not None
    report = parse_report((CASES / name).read_bytes())
    first = report.recipients[0]
    told = {"kind": report.kind, "reason": first.reason, "hard": first.hard, "suppress": first.suppress}
    assert told == case["expected"]


@pytest.mark.parametrize(
    "words",
    [
        "<a@x.test>: undeliverable address: host mx.x.test[192.0.2.1] said: 550 5.7.1 blocked using zen.spamhaus.org",
        "unverified address: host mx.x.test[192.0.2.1] said: 530 5.7.0 Must issue a STARTTLS command first",
        "callout failed: remote server returned 535 authentication failed",
        "host mx.x.test said: 554 5.7.1 relaying denied",
    ],
)
@pytest.mark.parametrize("stage", [Stage.RCPT, Stage.DATA, Stage.DOT])
def test_a_relay_that_quotes_a_stranger_is_not_paused(words: str, stage: Stage) -> None:
    quoted = judge(Refusal(speaker=Speaker.RELAY, stage=stage, code=550, words=words))
    assert not should_pause(quoted)
    assert not should_suppress(quoted)
    own = words.rpartition("said: ")[2].rpartition("returned ")[2]
    assert should_pause(judge(Refusal(speaker=Speaker.RELAY, stage=Stage.RCPT, code=550, words=own)))
