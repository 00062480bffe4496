"""Classify why a recipient was rejected, and whether permanently, from phrases, enhanced codes and reply codes.

The text of the rejecting host counts more than the status of the reporting host (`Status: 5.0.0`), and clear phrases
count more than codes. A bounce is hard only with evidence that the address is at fault.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from delivery.envelope import Stage
from delivery.reports.codes import REPLIES, find_reply_code, find_stage, list_statuses, name_status
from delivery.reports.model import HARD, BounceReason
from delivery.reports.phrases import CATEGORIES, read_plainly, read_vaguely

# The quoting style of IronPort and Amazon: `5.1.0 - Unknown address error 550-'5.7.1 Access denied'`.
_WRAPPED = re.compile(
    r"\s*([245]\.\d{1,3}\.\d{1,3}) - .{1,60}? ([245]\d\d)[- ]?\s?'(.{1,1000}?)'?\s*(?:\(delivery attempts: \d+\))?\s*$"
)
_NAMED = re.compile(r"[245]\d\d[ -](?:[245]\.\d{1,3}\.\d{1,3} )?<[^<>\s]{1,300}>")
_NO_MAILBOX = {"1.1", "1.6", "1.10"}
_TELLS = {"4.1"}  # Exchange Online, for an address that is not in its directory


@dataclass(frozen=True, slots=True, kw_only=True)
class BounceEvidence:
    """All evidence on one rejection. `status` is the reporting host's own code, `remark` its text beside the code,
    `context` the surrounding text.
    """

    diagnostic: str
    status: str = ""
    remark: str = ""
    context: str = ""
    is_delayed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BounceVerdict:
    """The result of a classification. `status` and `code` are the best that were found, else `""` and None."""

    reason: BounceReason
    hard: bool
    status: str
    code: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """The stage and codes of a rejection. `is_named`: it repeats the recipient, as replies to RCPT do."""

    stage: Stage | None
    status: str
    code: int | None
    is_named: bool


def classify_bounce(evidence: BounceEvidence) -> BounceVerdict:
    """Classify a rejection. Without evidence the reason is `unknown` and the bounce is soft."""
    diagnostic = _unwrap(evidence.diagnostic)
    status = _find_best_status(diagnostic, evidence)
    code = find_reply_code(diagnostic) or find_reply_code(evidence.context)
    stage = find_stage(evidence.diagnostic) or find_stage(evidence.context)
    category = CATEGORIES.get(evidence.remark.rpartition(" ")[2].lower())
    reason = _read_first(read_plainly, diagnostic, evidence.remark) or category or name_status(status)
    if reason is BounceReason.DISABLED and status[2:] in _NO_MAILBOX:
        reason = BounceReason.NO_SUCH_USER
    reason = reason or read_plainly(evidence.context)
    reason = reason or _read_first(read_vaguely, diagnostic, evidence.remark, evidence.context)
    reason = reason or (REPLIES.get(code or 0) if stage in {None, Stage.RCPT} else None) or BounceReason.UNKNOWN
    if reason in HARD and category not in HARD:
        is_named = _NAMED.search(diagnostic) is not None
        reason = _doubt(reason, _Said(stage=stage, status=status, code=code, is_named=is_named))
    return BounceVerdict(reason=reason, hard=reason in HARD and not evidence.is_delayed, status=status, code=code)


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
    found = found or list_statuses(evidence.context)
    return next((code for code in found if not code.endswith(".0.0")), found[0] if found else "")


def _read_first(read: Callable[[str], BounceReason | None], *texts: str) -> BounceReason | None:
    return next((reason for text in texts if text and (reason := read(text))), None)


def _doubt(reason: BounceReason, said: _Said) -> BounceReason:
    """Correct the reason by the stage: before RCPT the server does not know the recipient, after it has accepted it.

    Some providers report "user unknown" when the recipient's own filter rejects the mail. The phrase is trusted at
    RCPT, with a matching code, and from a host that reports on its own mailboxes without an SMTP reply.
    """
    if said.stage is Stage.MAIL:
        return BounceReason.SENDER_REJECTED
    if said.stage is Stage.CONNECT:
        return reason if reason is BounceReason.NO_MAIL_SERVICE else BounceReason.BLOCKED
    detail = said.status[2:]
    if reason is not BounceReason.NO_SUCH_USER or detail.startswith("1."):
        return reason
    is_temporary = said.code is not None and said.code < 500
    if is_temporary or detail == "2.0" or said.stage is Stage.DOT:
        return BounceReason.FILTERED
    if said.stage is Stage.RCPT or said.code is None:
        return reason
    is_nowhere = said.stage is None and detail not in _TELLS and not said.is_named
    return BounceReason.FILTERED if is_nowhere or detail.startswith(("2.", "7.")) else reason
