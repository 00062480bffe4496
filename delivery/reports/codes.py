"""Find codes in the text of hosts: SMTP reply codes, enhanced codes, and the stage of the conversation."""

import re
from collections.abc import Mapping

from delivery.envelope import Stage
from delivery.reports.model import BounceReason

MAX_TEXT = 4_000

_ENHANCED = re.compile(r"(?<![\d.])([45])\.(\d{1,3})\.(\d{1,3})(?![\d.]*\.\d|\d)")
_REPLY = re.compile(r"(?<![\w.,/#=-])([45][0-5]\d)(?=[\s,;:-]|$)")

# RFC 3463 and the IANA registry of enhanced codes, without the class: 4.2.2 and 5.2.2 have the same cause.
ENHANCED: Mapping[str, BounceReason] = {
    "1.1": BounceReason.NO_SUCH_USER,
    "1.2": BounceReason.HOST_UNKNOWN,
    "1.3": BounceReason.NO_SUCH_USER,
    "1.4": BounceReason.FILTERED,
    "1.6": BounceReason.MOVED,
    "1.7": BounceReason.SENDER_REJECTED,
    "1.8": BounceReason.SENDER_REJECTED,
    "1.9": BounceReason.SENDER_REJECTED,
    "1.10": BounceReason.NO_MAIL_SERVICE,
    "2.0": BounceReason.FILTERED,
    "2.1": BounceReason.DISABLED,
    "2.2": BounceReason.MAILBOX_FULL,
    "2.3": BounceReason.TOO_BIG,
    "2.4": BounceReason.SYSTEM,
    "3.1": BounceReason.SYSTEM,
    "3.2": BounceReason.SYSTEM,
    "3.3": BounceReason.SYSTEM,
    "3.4": BounceReason.TOO_BIG,
    "3.5": BounceReason.SYSTEM,
    "4.1": BounceReason.NETWORK,
    "4.2": BounceReason.NETWORK,
    "4.3": BounceReason.SYSTEM,
    "4.4": BounceReason.HOST_UNKNOWN,
    "4.5": BounceReason.TOO_MANY,
    "4.6": BounceReason.NETWORK,
    "4.7": BounceReason.EXPIRED,
    "5.3": BounceReason.TOO_MANY,
    "5.x": BounceReason.PROTOCOL,
    "6.x": BounceReason.CONTENT,
    "7.8": BounceReason.AUTHENTICATION,
    "7.20": BounceReason.AUTHENTICATION,
    "7.21": BounceReason.AUTHENTICATION,
    "7.22": BounceReason.AUTHENTICATION,
    "7.23": BounceReason.AUTHENTICATION,
    "7.24": BounceReason.AUTHENTICATION,
    "7.25": BounceReason.BLOCKED,
    "7.26": BounceReason.AUTHENTICATION,
    "7.27": BounceReason.SENDER_REJECTED,
    "7.28": BounceReason.TOO_MANY,
    "7.x": BounceReason.POLICY,
}
# RFC 5321, 4.2.3, for replies to RCPT; at other stages these codes are too unspecific.
REPLIES: Mapping[int, BounceReason] = {
    421: BounceReason.SYSTEM,
    451: BounceReason.SYSTEM,
    452: BounceReason.MAILBOX_FULL,
    550: BounceReason.NO_SUCH_USER,
    551: BounceReason.MOVED,
    552: BounceReason.MAILBOX_FULL,
    553: BounceReason.NO_SUCH_USER,
}
# Names of the stages in reports, in lower case.
_STAGES: tuple[tuple[Stage, re.Pattern[str]], ...] = (
    (
        Stage.DOT,
        re.compile(
            r"end of (?:message )?(?:data|text)|after (?:sending )?(?:message )?data\b|our final data|for text command"
            r"|after i sent the message|\[body\]|\(state 1[78]\)|after the final dot"
        ),
    ),
    (
        Stage.RCPT,
        re.compile(
            r"rcpt[ _]to|after rcpt|our rcpt|smtp:rcpt|rejected (?:the )?recipient|rcpt command|does not like recipient"
            r"|\(state 14\)|>>> ?rcpt"
        ),
    ),
    (
        Stage.MAIL,
        re.compile(r"mail[ _]from(?: command|\]|:<|:|\))|after mail\b|our mail from|>>> ?mail|does not like sender"),
    ),
    (Stage.DATA, re.compile(r"reply to data|>>> ?data|our data\b|after data\b|\[data\]")),
    (
        Stage.CONNECT,
        re.compile(r"refused to talk to me|(?:reply to|after) (?:e?helo|connect)|initial (?:connection|greeting)"),
    ),
)


def list_statuses(text: str) -> list[str]:
    """The enhanced codes of failure in `text`, in order."""
    return [match[0] for match in _ENHANCED.finditer(text[:MAX_TEXT])]


def name_status(status: str) -> BounceReason | None:
    """The reason that an enhanced code names, or None."""
    detail = status[2:]
    return ENHANCED.get(detail) or ENHANCED.get(detail.partition(".")[0] + ".x")


def find_reply_code(text: str) -> int | None:
    """The first SMTP reply code of failure in `text`."""
    match = _REPLY.search(text)
    return int(match[1]) if match else None


def find_stage(text: str) -> Stage | None:
    """The stage of the rejection that `text` names, or None. The last named stage counts, as the commands before it
    succeeded.
    """
    lowered = text[:MAX_TEXT].lower()
    ends = [(match.end(), stage) for stage, pattern in _STAGES for match in pattern.finditer(lowered)]
    return max(ends, key=lambda end: end[0])[1] if ends else None
