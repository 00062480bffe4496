"""Mail about sent mail, as feedback: bounces, receipts and complaints that came to a return path or into a file."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from delivery.reports.mime import split_mbox
from delivery.reports.parse import Report, ReportedRecipient, parse_report
from messages.feedback.model import Feedback, FeedbackKind, FeedbackResult
from messages.feedback.recording import receive_feedback
from messages.feedback.return_paths import read_recipient
from messages.models import Recipient

SOURCE = "report"
# How much of a mail is looked through for a return path of ours: it stands in headers, ours or the report's.
SEARCHED_BYTES = 512 * 1024
# A mail that names several of our recipients is about none of them for sure.
MAX_TOKENS = 20
_RETURN_PATH = re.compile(rb"b\+[a-z2-7]{42}@[a-z0-9.-]{1,253}", re.IGNORECASE)

KINDS: Mapping[str, FeedbackKind] = {
    "failed": FeedbackKind.BOUNCED,
    "delayed": FeedbackKind.DELAYED,
    "delivered": FeedbackKind.DELIVERED,
    "relayed": FeedbackKind.DELIVERED,  # into a network that reports no more: as far as anybody will ever tell
    "expanded": FeedbackKind.DELIVERED,
    "complained": FeedbackKind.COMPLAINED,
}
# Which of several things said about one mail of one recipient holds: that of his own address, else the best of them,
# since a list or an alias passed it on.
ORDER = ("complained", "delivered", "relayed", "expanded", "delayed", "failed")
# What makes an address one that will never work (PROMISES, 2). Some relays never say more than 5.0.0 themselves.
HARD_CODES = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"})
# Many loops leave the recipient out.
COMPLAINT = ReportedRecipient(address="", action="complained")
VAGUE_CODES = frozenset({"", "5.0.0"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedReport:
    """A report's mail.

    `recipient_id` is whose return path it came to, where the listener knows that. `is_trusted` admits reports that only
    quote our Message-ID, which whoever saw the mail can do: for files that the operator has chosen.
    """

    raw: bytes
    recipient_id: UUID | None = None
    is_trusted: bool = False


def receive_report(received: ReceivedReport) -> list[FeedbackResult]:
    """Understand the mail and write down what it says; one result for each thing said, none for what is no report."""
    results = []
    for raw in split_mbox(received.raw):
        results += [receive_feedback(feedback) for feedback in read_feedback(received, raw, parse_report(raw))]
    return results


def read_feedback(received: ReceivedReport, raw: bytes, report: Report) -> Iterator[Feedback]:
    """What the report says about mail of ours."""
    told = [one for one in report.recipients if one.action in KINDS]
    recipient_id = received.recipient_id or find_reported_recipient(raw, report)
    if recipient_id is not None:
        address = Recipient.objects.filter(pk=recipient_id).values_list("address", flat=True).first()
        if address is not None and (one := choose_reported(told, address, report)):
            yield build_feedback(one, report, address, recipient_id=recipient_id)
    elif (received.is_trusted or report.kind == "complaint") and (message_id := read_message_id(report)):
        if not told and report.kind == "complaint":
            # Enough where the mail had one recipient.
            told = [COMPLAINT]
        for one in told:
            yield build_feedback(one, report, one.original_address or one.address, message_id=message_id)


def find_reported_recipient(raw: bytes, report: Report) -> UUID | None:
    """The recipient whose return path the report came to, or the only one that it holds."""
    for address in report.addressed_to:
        if found := read_recipient(address):
            return found
    tokens = {match[0].lower() for match in list(_RETURN_PATH.finditer(raw[:SEARCHED_BYTES]))[:MAX_TOKENS]}
    ids = {found for token in tokens if (found := read_recipient(token.decode()))}
    return ids.pop() if len(ids) == 1 else None


def read_message_id(report: Report) -> UUID | None:
    """The message that a Message-ID of ours names: `<id@sender's domain>`."""
    try:
        return UUID(report.original_message_id.partition("@")[0])
    except ValueError:
        return None


def choose_reported(told: Sequence[ReportedRecipient], address: str, report: Report) -> ReportedRecipient | None:
    """What holds for the one recipient whom the mail was for."""
    wanted = address.lower()
    own = [one for one in told if wanted in {one.address.lower(), one.original_address.lower()}]
    if not told and report.kind == "complaint":
        # The return path has named him.
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
    told = {"reporting_mta": report.reporting_mta, "reason": one.reason.value}
    return Feedback(
        # The same report comes again when our answer was lost, with other trace headers.
        key=f"{SOURCE}:{whose}:{kind}:{one.status}:{report.arrived_at or ''}",
        kind=kind,
        source=SOURCE,
        recipient_id=recipient_id,
        message_id=message_id,
        address=address,
        code=one.code,
        enhanced_code=one.status,
        reply=one.diagnostic,
        should_suppress=kind is FeedbackKind.BOUNCED and is_hard(one) and is_about(one, address),
        data=told | ({"feedback_type": report.feedback_type} if report.feedback_type else {}),
    )


def is_hard(one: ReportedRecipient) -> bool:
    """Whether this address will never work."""
    return one.status in HARD_CODES or (one.hard and one.code == 550 and one.status in VAGUE_CODES)


def is_about(one: ReportedRecipient, address: str) -> bool:
    """Whether the address that failed is ours, and not one that our recipient's mail is passed on to."""
    return one.address.lower() in {"", address.lower()}
