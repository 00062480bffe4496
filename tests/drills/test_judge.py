"""The judge of the drills detects each kind of broken promise, and accepts kept ones."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from delivery.envelope import Outcome
from drills.harness.evidence import Accepted, AttemptRow, Evidence, RecipientRow
from drills.harness.judge import judge_evidence
from messages.states import OnUncertain, Phase, Status

EMAIL = uuid4()
NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
MESSAGE_ID = "<one@drill.test>"
ADDRESS = "one@rcpt.test"


def attempt(number: int = 1, outcome: Outcome = Outcome.DELIVERED, *, begin: float = 0, end: float | None = 1):
    return AttemptRow(
        number=number,
        phase=Phase.DONE if end is not None else Phase.STARTED,
        outcome=outcome,
        claimed_at=NOON + timedelta(seconds=begin),
        finished_at=None if end is None else NOON + timedelta(seconds=end),
    )


DELIVERED = RecipientRow(
    email_id=EMAIL,
    message_id=MESSAGE_ID,
    address=ADDRESS,
    status=Status.DELIVERED,
    reason="",
    message_status=Status.DELIVERED,
    is_due=False,
    is_leased=False,
    on_uncertain=OnUncertain.RETRY,
    attempts=[attempt()],
    path=[Status.QUEUED, Status.DELIVERED],
)
QUEUED = replace(DELIVERED, status=Status.QUEUED, message_status=Status.QUEUED, attempts=[], path=[Status.QUEUED])


def evidence(row: RecipientRow | None, copies: int = 1, accepted: Sequence[UUID] = (EMAIL,)) -> Evidence:
    return Evidence(
        accepted=[Accepted(email_id, ADDRESS) for email_id in accepted],
        recipients=[row] if row else [],
        taken=[(MESSAGE_ID, ADDRESS)] * copies,
    )


def test_a_mail_that_was_delivered_once_is_as_promised():
    finding = judge_evidence(evidence(DELIVERED))
    assert (finding.accepted, finding.lost, finding.duplicates, finding.window) == (1, 0, 0, 0)
    assert not finding.problems


@pytest.mark.parametrize(
    ("row", "copies", "words"),
    [
        (None, 0, "is not in the database"),
        (DELIVERED, 0, "is delivered and no sink has it"),
        (QUEUED, 0, "is queued and nothing will ever look at it"),
    ],
)
def test_a_lost_mail_is_found(row, copies, words):
    finding = judge_evidence(evidence(row, copies))
    assert finding.lost == 1
    assert any(words in problem for problem in finding.problems)


@pytest.mark.parametrize("change", [{"is_due": True}, {"is_leased": True}])
def test_a_mail_that_waits_honestly_is_not_lost(change):
    finding = judge_evidence(evidence(replace(QUEUED, **change), copies=0))
    assert (finding.lost, list(finding.problems)) == (0, [])


def test_a_second_copy_that_no_attempt_owns_up_to_is_found():
    finding = judge_evidence(evidence(DELIVERED, copies=2))
    assert finding.duplicates == 1
    assert any("duplicated beyond the window" in problem for problem in finding.problems)


def test_a_second_copy_after_an_uncertain_attempt_is_within_the_window():
    tries = [attempt(1, Outcome.UNCERTAIN), attempt(2, begin=2, end=3)]
    path = [Status.QUEUED, Status.DELIVERING, Status.DELIVERED]
    finding = judge_evidence(evidence(replace(DELIVERED, attempts=tries, path=path), copies=2))
    assert (finding.duplicates, finding.window, list(finding.problems)) == (1, 1, [])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"path": [Status.QUEUED, Status.FAILED, Status.DELIVERED]}, "on an illegal path"),
        ({"path": [Status.QUEUED]}, "on an illegal path"),
        ({"attempts": [attempt(1, end=5), attempt(2, begin=2, end=3)]}, "leased twice at once"),
        ({"attempts": [attempt(1, end=None), attempt(2, begin=2, end=3)]}, "leased twice at once"),
        ({"status": Status.CANCELLED, "path": [Status.SCHEDULED, Status.CANCELLED]}, "cancelled and delivered"),
        ({"status": Status.BOUNCED, "path": [Status.QUEUED, Status.BOUNCED]}, "ended without a reason"),
        ({"message_status": Status.QUEUED}, "messages with a wrong status"),
        ({"attempts": []}, "handed over without a successful attempt"),
    ],
)
def test_what_must_not_be_is_found(change, words):
    assert any(words in problem for problem in judge_evidence(evidence(replace(DELIVERED, **change))).problems)


def test_what_the_provider_told_later_needs_no_attempt_that_knows():
    told = replace(DELIVERED, attempts=[attempt(1, Outcome.UNCERTAIN)], is_told=True)
    assert not judge_evidence(evidence(told)).problems


def test_mail_that_was_not_posted_is_found():
    finding = judge_evidence(Evidence(accepted=[], recipients=[], taken=[(MESSAGE_ID, ADDRESS)]))
    assert any("is not in the database" in problem for problem in finding.problems)
