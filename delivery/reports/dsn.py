"""Parse delivery status fields (RFC 3464), in their own part or pasted into the text of a report.

Blank lines and repeated fields separate the groups, since many hosts omit one of the two.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from delivery.addresses import read_typed_address
from delivery.mail_dates import read_mail_date

MAX_RECIPIENTS = 100
MAX_FIELD = 4_000

_PER_MESSAGE = {"reporting-mta", "original-envelope-id", "arrival-date", "received-from-mta", "dsn-gateway"}
_PER_RECIPIENT = {
    "final-recipient",
    "original-recipient",
    "x-actual-recipient",
    "action",
    "status",
    "remote-mta",
    "diagnostic-code",
    "last-attempt-date",
    "final-log-id",
    "will-retry-until",
    "x-powermta-bouncecategory",
    "x-display-name",
}
_NAMES = "|".join(sorted(_PER_MESSAGE | _PER_RECIPIENT))
_FIELD = re.compile(rf"[ \t]{{0,8}}({_NAMES})[ \t]*:[ \t]*(.*)", re.IGNORECASE)
_OTHER_FIELD = re.compile(r"[A-Za-z][A-Za-z0-9-]{1,60}:(?:\s|$)")
_ACTION = re.compile(r"failed|failure|delayed|delivered|relayed|expanded", re.IGNORECASE)
_COMMENT = re.compile(r"\(([^()]{1,300})\)")
_MTA = re.compile(r"(?:[\w-]{1,20}\s*;\s*)?([^\s;()]{1,255})")

Group = dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusFields:
    """One recipient's parsed group; `diagnostic` is without its type prefix."""

    address: str
    original_address: str
    action: str
    status: str
    diagnostic: str
    remark: str  # the text in brackets after the status, and PowerMTA's category
    remote_mta: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReport:
    """All groups of one report."""

    recipients: tuple[StatusFields, ...]
    reporting_mta: str = ""
    envelope_id: str = ""
    arrived_at: datetime | None = None


def read_status(text: str) -> StatusReport:
    """The delivery status in `text`, without recipients when there is none. Never raises."""
    message: Group = {}
    recipients: list[Group] = []
    for group in _iterate_groups(text):
        message |= {name: value for name, value in group.items() if name in _PER_MESSAGE and name not in message}
        if told := {name: value for name, value in group.items() if name in _PER_RECIPIENT}:
            _add_group(recipients, told)
    return StatusReport(
        recipients=tuple(_read_group(group) for group in recipients[:MAX_RECIPIENTS] if _is_recipient(group)),
        reporting_mta=read_mta(message.get("reporting-mta", "")),
        envelope_id=message.get("original-envelope-id", "")[:200],
        arrived_at=read_date(message.get("arrival-date", "")),
    )


def read_mta(value: str) -> str:
    """`dns; mx.example.org (comment)` → `mx.example.org` (RFC 3464, 2.2.2)."""
    match = _MTA.match(value.strip())
    return match[1].strip("[]") if match else ""


def read_date(value: str) -> datetime | None:
    """A date with its time zone, or None for an invalid date."""
    date = read_mail_date(value)
    return date if date and date.tzinfo else None


def _iterate_groups(text: str) -> Iterator[Group]:
    """The groups of status fields, unfolded. A blank line or a repeated field ends a group."""
    group: Group = {}
    name = ""
    for line in text.split("\n"):
        match = _FIELD.match(line)
        if match:
            name = match[1].lower()
            if name in group:
                yield group
                group = {}
            group[name] = match[2].strip()
        elif not line.strip():
            if group:
                yield group
            group, name = {}, ""
        elif name and (line[0] in " \t" or not _OTHER_FIELD.match(line)):
            group[name] = f"{group[name]} {line.strip()}"[:MAX_FIELD]
        else:
            name = ""
    if group:
        yield group


def _add_group(recipients: list[Group], told: Group) -> None:
    """Add a new recipient, or merge the rest of the last one after a stray blank line."""
    if recipients and not (_has_address(told) and _has_address(recipients[-1])) and not told.keys() & recipients[-1]:
        recipients[-1] |= told
    else:
        recipients.append(told)


def _has_address(group: Group) -> bool:
    return any(name in group for name in ("final-recipient", "original-recipient", "x-actual-recipient"))


def _is_recipient(group: Group) -> bool:
    """Whether a group is a recipient's status. An address alone is not: returned mail may have `Original-Recipient`."""
    return _has_address(group) and any(name in group for name in ("action", "status", "diagnostic-code"))


def _read_group(group: Group) -> StatusFields:
    status = group.get("status", "")
    action = _ACTION.search(group.get("action", ""))
    kind, separator, told = group.get("diagnostic-code", "").partition(";")
    diagnostic = told if re.fullmatch(r"[\w ().-]{1,40};", kind + separator) else group.get("diagnostic-code", "")
    remarks = [match[1] for match in _COMMENT.finditer(status)] + [group.get("x-powermta-bouncecategory", "")]
    final, original, actual = (
        read_typed_address(group.get(name, ""))
        for name in ("final-recipient", "original-recipient", "x-actual-recipient")
    )
    return StatusFields(
        address=final or original or actual,
        original_address=original,
        action=_name_action(action[0].lower() if action else "", status),
        status=status,
        diagnostic=diagnostic.strip(),
        remark=" ".join(filter(None, remarks)),
        remote_mta=read_mta(group.get("remote-mta", "")),
    )


def _name_action(action: str, status: str) -> str:
    """The action in RFC 3464's terms; a missing action is derived from the status."""
    if action:
        return "failed" if action.startswith("fail") else action
    return {"2": "delivered", "4": "delayed"}.get(status.strip()[:1], "failed")
