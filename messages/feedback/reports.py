"""Converts reports by mail (bounces, receipts, complaints) from a return path or a file into feedback."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings

from accounts.services import count_notice
from delivery.mail_id import MailId
from delivery.reports.arf import FeedbackMeaning, name_meaning
from delivery.reports.mime import split_mbox
from delivery.reports.parse import Report, ReportedRecipient, parse_report
from messages.feedback.mail_ids import read_header
from messages.feedback.model import REFUSALS, Feedback, FeedbackKind, FeedbackResult
from messages.feedback.recording import receive_feedback
from messages.feedback.return_paths import read_recipient
from messages.feedback.unsubscribe_mail import read_mail, unsubscribe_by_mail
from messages.models import Recipient

SOURCE = "report"
# The part of a report that is searched for our return path, which occurs in our headers or in the report's.
SEARCHED_BYTES = 512 * 1024
# A report that names several of our recipients cannot be assigned to one of them.
MAX_TOKENS = 20
MAX_MTA = 200
_RETURN_PATH = re.compile(rb"b\+[a-z2-7]{42}@[a-z0-9.-]{1,253}", re.IGNORECASE)

KINDS: Mapping[str, FeedbackKind] = {
    "failed": FeedbackKind.BOUNCED,
    "delayed": FeedbackKind.DELAYED,
    "delivered": FeedbackKind.DELIVERED,
    "relayed": FeedbackKind.DELIVERED,  # into a network without reports: no better confirmation will follow
    "expanded": FeedbackKind.DELIVERED,
    "complained": FeedbackKind.COMPLAINED,
    "unsubscribed": FeedbackKind.UNSUBSCRIBED,
}
# The precedence of several reports about one recipient's mail. A report about the recipient's own address comes first;
# otherwise a list or an alias forwarded the mail, and the best report counts.
ORDER = ("complained", "unsubscribed", "delivered", "relayed", "expanded", "delayed", "failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedReport:
    """A report's mail.

    `recipient_id` is the recipient of the return path, `unsubscriber_id` that of the unsubscribe address, if the
    listener knows it. `is_trusted` also admits reports that
    only quote our Message-ID, which everybody knows who got the mail: for files that the operator has chosen.
    """

    raw: bytes
    recipient_id: UUID | None = None
    unsubscriber_id: UUID | None = None
    is_trusted: bool = False


def receive_report(received: ReceivedReport) -> list[FeedbackResult]:
    """Parse a mail or an mbox and record its reports and requests to unsubscribe. Returns one result for each of them,
    none for other mail.

    A bounce or complaint that does not prove whose mail it is about becomes a notice to the operator.
    """
    results = []
    if received.unsubscriber_id is not None:
        return [unsubscribe_by_mail(received.unsubscriber_id)]
    for raw in split_mbox(received.raw):
        report = parse_report(raw)
        if report.kind == "none" and (recipient_id := read_mail(raw)):
            results.append(unsubscribe_by_mail(recipient_id))
            continue
        found = list(read_feedback(received, raw, report))
        results += [receive_feedback(feedback) for feedback in found]
        if not found and report.kind in {"bounce", "complaint"}:
            note_unproved(report)
        elif name_meaning(report.feedback_type) is FeedbackMeaning.NOTICE:
            note_virus(report)
    return results


def read_feedback(received: ReceivedReport, raw: bytes, report: Report) -> Iterator[Feedback]:
    """Build the feedback of a report about mail of this service, as far as the report proves it."""
    told = [one for one in report.recipients if one.action in KINDS]
    if not told and report.kind == "complaint":
        told = [redacted_complaint(report)]
    subject = find_subject(received, raw, report)
    if subject.recipient_id is not None:
        address = Recipient.objects.filter(pk=subject.recipient_id).values_list("address", flat=True).first()
        if address is not None and (one := choose_reported(told, address)):
            yield build_feedback(one, report, address, recipient_id=subject.recipient_id)
    elif subject.message_id is not None:
        # One of several recipients knew the header: what the report says of an address is not proved.
        if one := choose_reported(told, ""):
            yield build_feedback(one, report, "", message_id=subject.message_id)
    elif received.is_trusted and (message_id := read_message_id(report)):
        for one in told:
            yield build_feedback(one, report, one.original_address or one.address, message_id=message_id)


def find_subject(received: ReceivedReport, raw: bytes, report: Report) -> MailId:
    """The recipient, or at least the message, that the report proves by a return path or by our header."""
    if recipient_id := received.recipient_id or find_reported_recipient(raw, report):
        return MailId(recipient_id=recipient_id)
    proved = read_header(report.returned_headers)
    if proved is None or proved.message_id is None:
        return proved or MailId()
    # The header of a message with one recipient is known to nobody else.
    people = list(Recipient.objects.filter(message=proved.message_id).values_list("pk", flat=True)[:2])
    return MailId(recipient_id=people[0]) if len(people) == 1 else proved


def redacted_complaint(report: Report) -> ReportedRecipient:
    """A complaint without its recipient, which many feedback loops leave out."""
    return ReportedRecipient(address="", action=name_meaning(report.feedback_type))


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


def choose_reported(told: Sequence[ReportedRecipient], address: str) -> ReportedRecipient | None:
    """Choose the report that counts for the recipient of the mail."""
    wanted = address.lower()
    own = [one for one in told if wanted in {one.address.lower(), one.original_address.lower()}]
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


def note_unproved(report: Report) -> None:
    """Tell the operator of a report that anybody could have written."""
    count_notice(
        kind="report_unproved",
        text="A bounce or complaint arrived that does not prove which mail it is about: its address has no token of "
        f"our return paths, and it returns no {settings.MAIL_ID_HEADER} header of ours. Nothing was recorded.",
        data={"kind": report.kind, "reporting_mta": report.reporting_mta[:MAX_MTA]},
    )


def note_virus(report: Report) -> None:
    """Tell the operator that a mail system reports a virus in mail of this service."""
    proved = read_header(report.returned_headers)
    subject = proved and (proved.recipient_id or proved.message_id)
    count_notice(
        kind="virus_reported",
        text="A mail system reports a virus in mail of this service.",
        data={"subject": str(subject or ""), "reporting_mta": report.reporting_mta[:MAX_MTA]},
    )
