"""Find codes in the text of hosts: SMTP reply codes, enhanced codes, and the stage of the conversation."""

import re
from collections.abc import Mapping

from delivery.envelope import Stage
from delivery.judging.terms import Reason

MAX_TEXT = 4_000

_ENHANCED = re.compile(r"(?<![\d.])([45])\.(\d{1,3})\.(\d{1,3})(?![\d.]*\.\d|\d)")
_REPLY = re.compile(r"(?<![\w.,/#=-])([45][0-5]\d)(?=[\s,;:-]|$)")

# RFC 3463 and the IANA registry of enhanced codes, without the class: 4.2.2 and 5.2.2 have the same cause.
ENHANCED: Mapping[str, Reason] = {
    "1.1": Reason.NO_SUCH_USER,
    "1.2": Reason.HOST_UNKNOWN,
    "1.3": Reason.NO_SUCH_USER,
    "1.4": Reason.FILTERED,
    "1.6": Reason.MOVED,
    "1.7": Reason.SENDER_REJECTED,
    "1.8": Reason.SENDER_REJECTED,
    "1.9": Reason.SENDER_REJECTED,
    "1.10": Reason.NO_MAIL_SERVICE,
    "1.90": Reason.TOO_MANY,  # Exchange Online: the sender's daily limit
    "1.351": Reason.NO_SUCH_USER,  # Exchange Online, for another server's refusal
    "2.0": Reason.FILTERED,
    "2.1": Reason.DISABLED,
    "2.2": Reason.MAILBOX_FULL,
    "2.3": Reason.TOO_BIG,
    "2.4": Reason.SYSTEM,
    "2.121": Reason.TOO_MANY,  # Exchange Online: the recipient's hourly limit
    "2.122": Reason.TOO_MANY,
    "3.1": Reason.SYSTEM,
    "3.2": Reason.SYSTEM,
    "3.3": Reason.SYSTEM,
    "3.4": Reason.TOO_BIG,
    "3.5": Reason.SYSTEM,
    "4.1": Reason.NETWORK,
    "4.2": Reason.NETWORK,
    "4.3": Reason.SYSTEM,
    "4.4": Reason.HOST_UNKNOWN,
    "4.5": Reason.TOO_MANY,
    "4.6": Reason.NETWORK,
    "4.7": Reason.EXPIRED,
    "4.310": Reason.HOST_UNKNOWN,  # Exchange Online: the domain does not exist
    "4.312": Reason.NETWORK,
    "5.3": Reason.TOO_MANY,
    "5.x": Reason.PROTOCOL,
    "6.x": Reason.CONTENT,
    "7.8": Reason.LOGIN,
    "7.10": Reason.LOGIN,
    "7.11": Reason.LOGIN,
    "7.12": Reason.LOGIN,
    "7.57": Reason.LOGIN,
    "7.64": Reason.RELAYING,
    **dict.fromkeys(("7.120", "7.124", "7.129", "7.133", "7.134", "7.135", "7.136"), Reason.FILTERED),
    **dict.fromkeys(("7.501", "7.502", "7.503", "7.511", "7.606", "7.705", "7.708", "7.750"), Reason.BLOCKED),
    "7.20": Reason.AUTHENTICATION,
    "7.21": Reason.AUTHENTICATION,
    "7.22": Reason.AUTHENTICATION,
    "7.23": Reason.AUTHENTICATION,
    "7.24": Reason.AUTHENTICATION,
    "7.25": Reason.BLOCKED,
    "7.26": Reason.AUTHENTICATION,
    "7.27": Reason.SENDER_REJECTED,
    "7.28": Reason.TOO_MANY,
    "7.x": Reason.POLICY,
}
# The subjects of codes that name no cause, such as 5.3.0.
SUBJECTS: Mapping[str, Reason] = {"3": Reason.SYSTEM, "4": Reason.NETWORK}
# RFC 5321, 4.2.3: commands that the server does not understand or accept.
COMMANDS: Mapping[int, Reason] = dict.fromkeys((500, 501, 502, 503, 504, 555), Reason.PROTOCOL)
# RFC 5321, 4.2.3, for replies to RCPT; at other stages these codes are too unspecific.
REPLIES: Mapping[int, Reason] = {
    421: Reason.SYSTEM,
    451: Reason.SYSTEM,
    452: Reason.MAILBOX_FULL,
    550: Reason.NO_SUCH_USER,
    551: Reason.MOVED,
    552: Reason.MAILBOX_FULL,
    553: Reason.NO_SUCH_USER,
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


def name_reply(stage: Stage | None, code: int) -> Reason | None:
    """The reason that a reply code suggests, or None."""
    found = REPLIES.get(code) if stage in {None, Stage.RCPT} else {552: Reason.TOO_BIG}.get(code)
    return found or (COMMANDS.get(code) if stage else None)


def list_statuses(text: str) -> list[str]:
    """The enhanced codes of failure in `text`, in order."""
    return [match[0] for match in _ENHANCED.finditer(text[:MAX_TEXT])]


def name_status(status: str) -> Reason | None:
    """The reason that an enhanced code names, or None."""
    detail = status[2:]
    return ENHANCED.get(detail) or ENHANCED.get(detail.partition(".")[0] + ".x")


def name_subject(status: str) -> Reason | None:
    """The reason that the subject of an enhanced code suggests, or None."""
    return SUBJECTS.get(status[2:].partition(".")[0])


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
