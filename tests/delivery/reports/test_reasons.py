"""Bounce reasons: clear words before codes, codes before vague words, and no hard bounce without evidence."""

import pytest

from delivery.judging.terms import HARD, Reason
from delivery.reports.classify import BounceEvidence, judge_bounce

AT_RCPT = " (in reply to RCPT TO command)"

CASES = [
    ("550 5.1.1 <ann@there.test>: Recipient address rejected: User unknown in virtual mailbox table", "no_such_user"),
    ("550 no such user here" + AT_RCPT, "no_such_user"),
    ("550 <ann@there.test>... Addressee unknown", "no_such_user"),
    ("550 mailbox not found" + AT_RCPT, "no_such_user"),
    ("550 Requested action not taken: mailbox unavailable" + AT_RCPT, "no_such_user"),
    ("550 5.4.1 Recipient address rejected: Access denied", "no_such_user"),
    ("550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup", "no_such_user"),
    ("sorry, that recipient doesn't exist (#5.1.1)", "no_such_user"),
    ("This user doesn't have a there.test account (ann@there.test)", "no_such_user"),
    ("User ann not listed in the address book", "no_such_user"),
    ("550 5.1.1 Adresse du destinataire invalide", "no_such_user"),
    ("550 5.1.1 Benutzer unbekannt", "no_such_user"),
    ("550 5.1.1 inactive email address", "no_such_user"),
    ("550" + AT_RCPT, "no_such_user"),
    ("Host or domain name not found. Name service error for name=nowhere.test type=A: Host not found", "host_unknown"),
    ("Unrouteable address", "host_unknown"),
    ("550 5.1.2 unknown domain", "host_unknown"),
    ("Sorry, I couldn't find a mail exchanger or IP address. (#5.4.4)", "host_unknown"),
    ("Domain there.test does not accept mail (nullMX)", "no_mail_service"),
    ("556 5.1.10 Recipient address has null MX", "no_mail_service"),
    ("551 5.1.6 the user has moved, please try the new address", "moved"),
    ("552 5.2.2 mailbox is full", "mailbox_full"),
    ("550 5.1.1 the user is over quota", "mailbox_full"),
    ("452 4.2.2 recipient storage full, try again later", "mailbox_full"),
    ("552 5.2.2 Postfach voll", "mailbox_full"),
    ("550 5.2.1 The account is disabled", "disabled"),
    ("550 user suspended" + AT_RCPT, "disabled"),
    ("550 5.1.1 refused due to recipient preferences", "filtered"),
    ("550 : User unknown (in reply to end of DATA command)", "filtered"),
    ("550 5.2.0 user unknown", "filtered"),
    ("450 user unknown" + AT_RCPT, "filtered"),
    ("553 5.1.8 <a@b.test>... Domain of sender address a@b.test does not exist", "sender_rejected"),
    ("550 no such user (in reply to MAIL FROM command)", "sender_rejected"),
    ("550 5.7.26 unauthenticated mail is not accepted due to the domain's DMARC policy", "authentication"),
    ("550 SPF check failed", "authentication"),
    ("554 5.7.1 <ann@there.test>: Relay access denied", "relaying"),
    ("553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)", "relaying"),
    ("554 5.7.1 Client host [192.0.2.1] blocked using bl.there.test", "blocked"),
    ("550 5.7.1 no reverse DNS for your address", "blocked"),
    ("host refused to talk to me: 550 unknown user", "blocked"),
    ("421 too many connections", "too_many"),
    ("550 5.4.5 daily sending quota exceeded", "too_many"),
    ("550 this message looks like spam", "spam"),
    ("550 5.7.0 virus detected", "virus"),
    ("552 5.3.4 message size exceeds fixed limit", "too_big"),
    ("554 the header is malformed", "content"),
    ("554 refused for policy reasons", "policy"),
    ("550 5.7.9 no", "policy"),
    ("connect to mx.there.test[192.0.2.1]:25: Connection refused", "network"),
    ("Host not found, try again", "network"),
    ("too many hops", "network"),
    ("retry timeout exceeded", "expired"),
    ("5.4.7 - Delivery expired (message too old)", "expired"),
    ("451 4.3.5 server configuration error", "system"),
    ("503 5.5.1 bad sequence of commands", "protocol"),
    ("554 5.0.0", "unknown"),
    ("", "unknown"),
]


@pytest.mark.parametrize(("diagnostic", "reason"), CASES, ids=[diagnostic[:60] for diagnostic, _ in CASES])
def test_a_refusal_has_one_reason_and_only_a_wrong_address_is_hard(diagnostic: str, reason: str):
    judged = judge_bounce(BounceEvidence(diagnostic=diagnostic))

    assert judged.judgement.reason == reason
    assert judged.is_hard is (reason in HARD)


def test_the_other_sides_code_counts_more_than_the_reporting_hosts():
    assert judge_bounce(BounceEvidence(diagnostic="550 5.1.1 no", status="5.0.0")).status == "5.1.1"
    assert judge_bounce(BounceEvidence(diagnostic="550 5.0.0 no", status="5.1.1")).status == "5.1.1"
    assert judge_bounce(BounceEvidence(diagnostic="550 5.7.1 no", status="5.1.1")).status == "5.7.1"
    assert judge_bounce(BounceEvidence(diagnostic="550 no", status="5.0.0")).status == "5.0.0"


def test_a_reply_that_was_wrapped_speaks_for_itself():
    wrapped = "5.1.0 - Unknown address error 550-'5.7.1 Access denied' (delivery attempts: 0)"

    assert judge_bounce(BounceEvidence(diagnostic=wrapped)).status == "5.7.1"
    assert not judge_bounce(BounceEvidence(diagnostic=wrapped)).is_hard


def test_numbers_that_are_no_codes_are_not_taken_for_codes():
    judged = judge_bounce(BounceEvidence(diagnostic="version 5.5.2657.72 at 10.5.1.1 port:465, size 5500 bytes"))

    assert (judged.status, judged.code) == ("", None)


def test_addresses_hosts_and_links_are_not_read_as_words():
    diagnostic = "550 5.1.1 <mailbox.full@spam.test>: no such user, see https://spam.test/quota/exceeded"

    assert judge_bounce(BounceEvidence(diagnostic=diagnostic)).judgement.reason == "no_such_user"


def test_a_sending_hosts_own_category_settles_a_doubt():
    doubtful = BounceEvidence(diagnostic="550 5.2.1 no", status="5.2.1")
    settled = BounceEvidence(diagnostic="550 5.2.1 no", status="5.2.1", remark="bad-mailbox")

    assert (judge_bounce(doubtful).is_hard, judge_bounce(settled).is_hard) == (False, True)


def test_a_delay_is_never_hard():
    assert not judge_bounce(BounceEvidence(diagnostic="450 4.1.1 user unknown", is_delayed=True)).is_hard


def test_every_reason_that_is_hard_is_a_reason():
    assert set(Reason) >= HARD
