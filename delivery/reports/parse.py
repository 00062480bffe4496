"""Parse reports about sent mail: bounces and receipts (RFC 3464 and other forms), complaints (RFC 5965).

`parse_report` parses one mail. It tries the forms from strict to loose, first on the mail itself, then on mails
enclosed in it, for forwarded reports.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from delivery.reports.formats import (
    read_complaint,
    read_delivery_status,
    read_json,
    read_reply,
    read_text_bounce,
    read_vague_text_bounce,
)
from delivery.reports.mime import MimePart, parse_mail, split_mbox, walk_parts
from delivery.reports.model import Report, ReportedRecipient, ReportKind
from delivery.reports.sections import MailSections, find_message_id, list_addressed, split_sections

__all__ = ["Report", "ReportKind", "ReportedRecipient", "describe_report", "parse_report"]

MAX_ENCLOSED = 3
MAX_CANDIDATES = 10

_FORMS = (read_complaint, read_delivery_status, read_json, read_text_bounce)
_GRAVITY: tuple[ReportKind, ...] = ("bounce", "complaint", "delayed", "delivered", "none")


def parse_report(raw: bytes) -> Report:
    """The report in the mail `raw`. Never raises; time and memory are bounded.

    An mbox file gives one report with the recipients of all its mails; the other fields are the first report's.
    """
    reports = [_read_mail(parse_mail(one)) for one in split_mbox(raw)]
    told = [one for one in reports if one.kind != "none"] or reports[:1]
    kinds = {one.kind for one in told}
    return replace(
        told[0],
        kind=next(kind for kind in _GRAVITY if kind in kinds),
        recipients=tuple(recipient for one in told for recipient in one.recipients),
    )


def describe_report(file: str, report: Report) -> dict[str, object]:
    """`report` as JSON's types, one line for a file. The kind is `bounce`, `delayed`, `complaint`, `delivered` or
    `none`.
    """
    return {
        "file": file,
        "kind": report.kind,
        "recipients": [
            {
                "address": one.address,
                "status": one.status,
                "hard": one.hard,
                "suppress": one.suppress,
                "reason": one.reason.value,
                "about": one.about and one.about.value,
            }
            for one in report.recipients
        ],
    }


def _read_mail(mail: MimePart) -> Report:
    candidates = [split_sections(part) for part in _list_candidates(mail)]
    addressed_to = tuple(list_addressed(mail))
    for forms in (_FORMS, (read_vague_text_bounce,)):
        for sections in candidates:
            report = next((found for form in forms if (found := form(sections))), None)
            if report is not None:
                message_id = report.original_message_id or find_message_id(sections)
                headers = sections.returned.headers if sections.returned else {}
                return replace(
                    report,
                    addressed_to=addressed_to,
                    original_message_id=message_id,
                    returned_headers=report.returned_headers or headers,
                )
    return _read_other(candidates[0], addressed_to)


def _read_other(sections: MailSections, addressed_to: tuple[str, ...]) -> Report:
    """The report of kind `none`; for an automatic reply it holds the message to which it responds."""
    recipients = read_reply(sections)
    message_id = find_message_id(sections) if recipients else ""
    return Report(kind="none", recipients=recipients, addressed_to=addressed_to, original_message_id=message_id)


def _list_candidates(mail: MimePart) -> list[MimePart]:
    """The mail, then the enclosed mails, level by level."""
    return list(_iterate_levels([mail]))[:MAX_CANDIDATES]


def _iterate_levels(level: Sequence[MimePart]) -> Iterator[MimePart]:
    for _ in range(MAX_ENCLOSED):
        yield from level
        level = [child for one in level for part in walk_parts(one) if part.is_message for child in part.children]
