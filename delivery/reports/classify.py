"""Gather the evidence of a reported rejection, and have it judged.

The text of the rejecting host counts more than the status of the reporting host (`Status: 5.0.0`).
"""

import re
from dataclasses import dataclass

from delivery.envelope import Outcome
from delivery.judging.codes import find_reply_code, find_stage, list_statuses
from delivery.judging.judge import judge
from delivery.judging.model import Category, Judgement, Refusal
from delivery.judging.phrases import CATEGORIES
from delivery.judging.terms import HARD, Speaker

# The quoting style of IronPort and Amazon: `5.1.0 - Unknown address error 550-'5.7.1 Access denied'`.
_WRAPPED = re.compile(
    r"\s*([245]\.\d{1,3}\.\d{1,3}) - .{1,60}? ([245]\d\d)[- ]?\s?'(.{1,1000}?)'?\s*(?:\(delivery attempts: \d+\))?\s*$"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BounceEvidence:
    """All evidence on one rejection. `status` is the reporting host's own code, `remark` its text beside the code,
    `context` the surrounding text, `category` the reporting party's own class.
    """

    diagnostic: str
    status: str = ""
    remark: str = ""
    context: str = ""
    category: Category | None = None
    is_delayed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedBounce:
    """The judgement of a reported bounce. `status` and `code` are the best that were found, else `""` and None."""

    judgement: Judgement
    status: str
    code: int | None

    @property
    def is_hard(self) -> bool:
        """Whether the address itself is the permanent cause."""
        return self.judgement.reason in HARD and self.judgement.outcome is Outcome.BOUNCED


def judge_bounce(evidence: BounceEvidence) -> JudgedBounce:
    """Judge a reported rejection. Without evidence the reason is `unknown` and the bounce is soft."""
    diagnostic = _unwrap(evidence.diagnostic)
    status = _find_best_status(diagnostic, evidence)
    code = find_reply_code(diagnostic) or find_reply_code(evidence.context)
    judgement = judge(
        Refusal(
            speaker=Speaker.REPORT,
            stage=find_stage(evidence.diagnostic) or find_stage(evidence.context),
            code=code,
            enhanced_code=status,
            words=diagnostic or evidence.remark,
            context=f"{evidence.remark}\n{evidence.context}",
            category=evidence.category or CATEGORIES.get(evidence.remark.rpartition(" ")[2].lower()),
            is_delayed=evidence.is_delayed,
        )
    )
    return JudgedBounce(judgement=judgement, status=status, code=code)


def _unwrap(diagnostic: str) -> str:
    """The other side's reply without the reporting host's wrapping."""
    match = _WRAPPED.match(diagnostic)
    if match is None:
        return diagnostic
    outer = "" if list_statuses(match[3]) else match[1]
    return f"{match[2]} {outer} {match[3]}"


def _find_best_status(diagnostic: str, evidence: BounceEvidence) -> str:
    """The most specific enhanced code: a named cause before `5.0.0`, the rejecting host's first."""
    found = list_statuses(f"{diagnostic} {evidence.remark}") + list_statuses(evidence.status)
    if all(code.endswith(".0.0") for code in found):
        found += list_statuses(evidence.context)
    return next((code for code in found if not code.endswith(".0.0")), found[0] if found else "")
