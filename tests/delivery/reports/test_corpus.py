"""Parsing rates on our own samples, and on real reports if they are available. `-s` shows misses."""

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from delivery.reports.parse import Report, parse_report
from tests.delivery.reports.samples import LETTERS, write_feedback, write_letter
from tests.needs import NOT_SHARED, SHARED

# What the tables call the outcome → the kind that we call it; all else is a bounce or a delay.
KINDS = {"feedback": "complaint", "delivered": "delivered", "vacation": "none"}
SAYS_NO_MAILBOX = re.compile(r"unknown|no such user|does not exist|doesn't have", re.IGNORECASE)


@dataclass(frozen=True)
class Case:
    name: str
    report: Report
    rows: tuple[tuple[str, bool], ...]  # for each recipient the tables' reason, and whether it is hard


def read_shared_cases(corpus: Path) -> Iterator[Case]:
    for name, rows in sorted(json.loads((corpus / "expected.json").read_text()).items()):
        report = parse_report((corpus / name).read_bytes())
        yield Case(name, report, tuple((row["reason"], row["hard"] == "1") for row in rows))


def read_cases() -> Iterator[Case]:
    for sample in LETTERS:
        yield Case(sample.name, parse_report(sample.raw), tuple(("", hard) for hard in sample.expected.values()))
    feedback = write_feedback("Feedback-Type: abuse\nOriginal-Rcpt-To: ann@there.test")
    yield Case("feedback", parse_report(feedback), (("feedback", False),))
    yield Case("not-a-bounce", parse_report(write_letter("Hello!", sender="ann@there.test", subject="Hello")), ())


@pytest.fixture(scope="module", params=["samples", *(["corpus"] if SHARED else NOT_SHARED)])
def cases(request: pytest.FixtureRequest) -> list[Case]:
    is_shared = request.param == "corpus"
    return list(read_shared_cases(SHARED / "corpora/bounces") if SHARED and is_shared else read_cases())


def describe(case: Case, row: int) -> str:
    reason, hard = case.rows[row]
    found = case.report.recipients[row] if row < len(case.report.recipients) else None
    seen = (
        f"{found.address:40} {found.reason:16} {found.hard!s:5} {found.status:7} {found.diagnostic[:60]}"
        if found
        else "-"
    )
    return f"{case.name:36} {row} {reason:16} {hard!s:5} | {case.report.kind:9} {seen}"


def measure(name: str, right: list[str], wrong: list[str]) -> float:
    share = len(right) / (len(right) + len(wrong))
    sys.stdout.write("\n  ".join([f"\n{name}: {share:.1%} of {len(right) + len(wrong)}", *wrong]) + "\n")
    return share


def test_the_recipient_is_found(cases: list[Case]):
    right: list[str] = []
    wrong: list[str] = []
    for case in cases:
        for row in range(len(case.rows)):
            is_found = row < len(case.report.recipients) and "@" in case.report.recipients[row].address
            (right if is_found else wrong).append(describe(case, row))

    assert measure("recipients found", right, wrong) >= 0.99


@pytest.mark.parametrize("half", [0, 1])
def test_hard_and_soft_are_distinguished_in_both_halves(cases: list[Case], half: int):
    right: list[str] = []
    wrong: list[str] = []
    for case in cases[half::2]:
        for row, (_, hard) in enumerate(case.rows):
            found = case.report.recipients[row : row + 1]
            (right if found and found[0].hard is hard else wrong).append(describe(case, row))
        wrong.extend(describe(case, 0) for _ in case.report.recipients[max(1, len(case.rows)) :])

    assert measure(f"hard or soft right, half {half + 1}", right, wrong) >= 0.95


def test_suppression_is_right(cases: list[Case]):
    """The tables know no suppression: it is right for hard bounces, and for no others but those that say themselves
    that the mailbox does not exist.
    """
    right: list[str] = []
    wrong: list[str] = []
    missed: list[str] = []
    for case in cases:
        for row, ((_, hard), found) in enumerate(zip(case.rows, case.report.recipients, strict=False)):
            is_right = found.suppress is hard or bool(found.suppress and SAYS_NO_MAILBOX.search(found.diagnostic))
            (right if is_right else missed if hard else wrong).append(describe(case, row))

    hard_count = sum(hard for case in cases for _, hard in case.rows)
    assert wrong == []
    assert measure("suppression right", right, missed) >= 0.95
    assert len(missed) <= hard_count * 0.1


def test_the_kind_is_right(cases: list[Case]):
    right: list[str] = []
    wrong: list[str] = []
    for case in cases:
        for row, (reason, _) in enumerate(case.rows):
            kinds = {KINDS[reason]} if reason in KINDS else {"bounce", "delayed"}
            (right if case.report.kind in kinds else wrong).append(describe(case, row))

    assert measure("kind right", right, wrong) >= 0.99


def test_every_feedback_loop_mail_is_a_complaint(cases: list[Case]):
    kinds = [case.report.kind for case in cases if any(reason == "feedback" for reason, _ in case.rows)]

    assert set(kinds) == {"complaint"}


def test_mail_that_is_not_a_report_is_ignored(cases: list[Case]):
    others = [case.report for case in cases if case.name.startswith("not-a-bounce")]

    assert others
    assert all((report.kind, report.recipients) == ("none", ()) for report in others)
