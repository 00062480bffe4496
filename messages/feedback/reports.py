"""Converts reports by mail (bounces, receipts, complaints) from a return path or a file into feedback."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from delivery.reports.mime import split_mbox
from delivery.reports.parse import Report, ReportedRecipient, parse_report
from messages.feedback.model import REFUSALS, Feedback, FeedbackKind, FeedbackResult
from messages.feedback.recording import receive_feedback
from messages.feedback.return_paths import read_recipient
from messages.models import Recipient

SOURCE = "report"
# The part of a report that is searched for our return path, which occurs in our headers or in the report's.
SEARCHED_BYTES = 512 * 1024
# A report that names several of our recipients cannot be assigned to one of them.
MAX_TOKENS = 20
_RETURN_PATH = re.compile(rb"b\+[a-z2-7]{42}@[a-z0-9.-]{1,253}", re.IGNORECASE)

KINDS: Mapping[str, FeedbackKind] = {
    "failed": FeedbackKind.BOUNCED,
    "delayed": FeedbackKind.DELAYED,
    "delivered": FeedbackKind.DELIVERED,
    "relayed": FeedbackKind.DELIVERED,  # into a network without reports: no better confirmation will follow
    "expanded": FeedbackKind.DELIVERED,
    "complained": FeedbackKind.COMPLAINED,
}
# The precedence of several reports about one recipient's mail. A report about the recipient's own address comes first;
# otherwise a list or an alias forwarded the mail, and the best report counts.
ORDER = ("complained", "delivered", "relayed", "expanded", "delayed", "failed")
# Many feedback loops omit the recipient.
COMPLAINT = ReportedRecipient(address="", action="complained")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedReport:
    """A report's mail.

    `recipient_id` is the recipient of the return path, if the listener knows it. `is_trusted` also admits reports that
    only quote our Message-ID, which every reader of the mail knows: for files that the operator has chosen.
    """

    raw: bytes
    recipient_id: UUID | None = None
    is_trusted: bool = False


def receive_report(received: ReceivedReport) -> list[FeedbackResult]:
    """Parse a mail or an mbox and record its reports. Returns one result for each report, none for other mail."""
    results = []
    for raw in split_mbox(received.raw):
        results += [receive_feedback(feedback) for feedback in read_feedback(received, raw, parse_report(raw))]
    return results


def read_feedback(received: ReceivedReport, raw: bytes, report: Report) -> Iterator[Feedback]:
    """Build the feedback of a report about mail of this service."""
    told = [one for one in report.recipients if one.action in KINDS]
    recipient_id = received.recipient_id or find_reported_recipient(raw, report)
    if recipient_id is not None:
        address = Recipient.objects.filter(pk=recipient_id).values_list("address", flat=True).first()
        if address is not None and (one := choose_reported(told, address, report)):
            yield build_feedback(one, report, address, recipient_id=recipient_id)
    elif (received.is_trusted or report.kind == "complaint") and (message_id := read_message_id(report)):
        if not told and report.kind == "complaint":
            # Sufficient if the message had one recipient.
            told = [COMPLAINT]
        for one in told:
            yield build_feedback(one, report, one.original_address or one.address, message_id=message_id)


def find_reported_recipient(raw: bytes, report: Report) -> UUID | None:
    """The recipient of the return path that the report was sent to, else of the only return path in it."""
    for address in report.addressed_to:
        if found := read_recipient(address):
            return found
    tokens = {match[0].lower() for match in list(_RETURN_PATH.finditer(raw[:SEARCHED_BYTES]))[:MAX_TOKENS]}
    ids = {found for token in tokens if (found := read_recipient(token.decode()))}
    return ids.pop() if len(ids) == 1 else None


def read_message_id(report: Report) -> UUID | None:
    """The message id in our Message-ID `<id@sender's domain>`; None for other Message-IDs."""
    try:
        return UUID(report.original_message_id.partition("@")[0])
    except ValueError:
        return None


def choose_reported(told: Sequence[ReportedRecipient], address: str, report: Report) -> ReportedRecipient | None:
    """Choose the report that counts for the recipient of the mail."""
    wanted = address.lower()
    own = [one for one in told if wanted in {one.address.lower(), one.original_address.lower()}]
    if not told and report.kind == "complaint":
        # The return path names the recipient.
        return COMPLAINT
    return min(own or told, key=lambda one: ORDER.index(one.action), default=None)


def build_feedback(
    one: ReportedRecipient,
    report: Report,
    address: str,
    *,
    recipient_id: UUID | None = None,
    message_id: UUID | None = None,
) -> Feedback:
    kind = KINDS[one.action]
    whose = recipient_id or f"{message_id}:{address.lower()}"
    told = {"reporting_mta": report.reporting_mta}
    return Feedback(
        # A report is sent again with other trace headers when our reply was lost, so the key leaves them out.
        key=f"{SOURCE}:{whose}:{kind}:{one.status}:{report.arrived_at or ''}",
        kind=kind,
        source=SOURCE,
        recipient_id=recipient_id,
        message_id=message_id,
        address=address,
        code=one.code,
        enhanced_code=one.status,
        reply=one.diagnostic,
        reason=one.reason if kind in REFUSALS else None,
        about=one.about if kind in REFUSALS else None,
        should_suppress=one.suppress and is_about(one, address),
        data=told | ({"feedback_type": report.feedback_type} if report.feedback_type else {}),
    )


def is_about(one: ReportedRecipient, address: str) -> bool:
    """Whether the reported address is our recipient's, not an address to which the mail was forwarded."""
    return one.address.lower() in {"", address.lower()}
