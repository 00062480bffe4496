"""Readers for the forms of reports, from strict to loose. A reader returns None for other forms."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from delivery.judging.consequences import should_suppress
from delivery.judging.terms import Reason
from delivery.reports.arf import COMPLAINING, FeedbackMeaning, name_meaning, read_feedback
from delivery.reports.classify import BounceEvidence, judge_bounce
from delivery.reports.dsn import StatusFields, read_status
from delivery.reports.mime import MimePart, walk_parts
from delivery.reports.model import Report, ReportedRecipient, ReportKind
from delivery.reports.sections import MailSections, guess_recipients, list_addressed, list_addresses
from delivery.reports.ses import NoticeRecipient, read_notice
from delivery.reports.text_bounce import TextBounce, is_bounce, is_delay
from delivery.reports.text_recipients import Passage, find_passages, find_telling

MAX_DIAGNOSTIC = 1_000

_DONE = {"delivered", "relayed", "expanded"}
_FAILED = ("x-failed-recipients", "x-bounced-address", "x-actual-recipient")
_REPLIED_SUBJECT = re.compile(
    r"^\W*(?:out of (?:the )?office|auto(?:mated|matic)?[- ]?(?:reply|response|answer)|autoreply|auto:|vacation"
    r"|absence|abwesenheit|réponse automatique|respuesta automática|自動(?:返信|応答))|\baway (?:from|until)\b",
    re.IGNORECASE,
)
_REPLIED_HEADERS = ("x-autoreply", "x-autorespond", "x-autoresponder", "x-auto-response-suppress")
_MACHINE = re.compile(r"mailer[-_]?daemon|postmaster|no-?reply", re.IGNORECASE)
_DONE_STATUS = re.compile(r"(?<![\d.])2\.\d{1,3}\.\d{1,3}(?![\d.])")
_DONE_CODE = re.compile(r"(?<![\d.])2[0-5]\d(?![\d.])")


def read_complaint(sections: MailSections) -> Report | None:
    """A feedback-loop report (RFC 5965): of kind `none` where no person complains, as with `not-spam` and `virus`."""
    complaint = read_feedback(sections.mail, sections.returned)
    if complaint is None:
        return None
    is_complaint = complaint.meaning in COMPLAINING
    addresses = complaint.addresses if is_complaint else ()
    return Report(
        kind="complaint" if is_complaint else "none",
        recipients=tuple(_complain(address, complaint.meaning) for address in addresses),
        original_envelope_id=complaint.envelope_id,
        reporting_mta=complaint.reporting_mta,
        arrived_at=complaint.arrived_at,
        feedback_type=complaint.feedback_type,
    )


def read_delivery_status(sections: MailSections) -> Report | None:
    """Delivery status fields (RFC 3464), in their own part or pasted into the text."""
    parts = [part.text() for part in walk_parts(sections.mail) if "delivery-status" in part.media_type]
    status = read_status("\n\n".join(parts))
    if not status.recipients:
        status = read_status(sections.text)
    if not status.recipients:
        return None
    count = len(status.recipients)
    passages = {one.address.lower(): one for one in find_passages(sections.notice, ())} if count > 1 else {}
    recipients = _fold([_judge_fields(one, passages, sections.notice, count) for one in status.recipients])
    return Report(
        kind=name_kind(recipients),
        recipients=tuple(recipients),
        original_envelope_id=status.envelope_id,
        reporting_mta=status.reporting_mta,
        arrived_at=status.arrived_at,
    )


def read_json(sections: MailSections) -> Report | None:
    """Amazon SES's notice, mailed by SNS."""
    notice = read_notice(sections.text)
    if notice is None:
        return None
    meaning = name_meaning(notice.feedback_type.lower())
    is_told = not notice.feedback_type or meaning in COMPLAINING
    recipients = [_judge_notice(one, meaning) for one in notice.recipients if one.address and is_told]
    return Report(
        returned_headers=notice.headers,
        kind=("complaint" if is_told else "none") if notice.feedback_type else name_kind(recipients),
        recipients=tuple(recipients),
        original_message_id=notice.message_id,
        reporting_mta=notice.reporting_mta,
        feedback_type=notice.feedback_type,
    )


def read_text_bounce(sections: MailSections) -> Report | None:
    """A text bounce that names its recipients."""
    failed = list_addresses(sections.mail, _FAILED)
    own = {address.lower() for address in list_addressed(sections.mail)}
    passages = find_passages(sections.notice, own - {address.lower() for address in failed})
    if failed:
        known = {one.address.lower(): one for one in passages}
        passages = [known.get(address.lower(), Passage(address)) for address in failed]
    return _judge_text_bounce(sections, passages)


def read_vague_text_bounce(sections: MailSections) -> Report | None:
    """A text bounce that names no recipient."""
    return _judge_text_bounce(sections, [Passage(address) for address in guess_recipients(sections)])


def read_reply(sections: MailSections) -> tuple[ReportedRecipient, ...]:
    """The sender of an automatic reply (RFC 3834); empty for other mail."""
    senders = list_addresses(sections.mail, ("from",))
    is_reply = _is_reply(sections.mail) or _REPLIED_SUBJECT.search(sections.mail.header("subject"))
    if not is_reply or not senders or _MACHINE.search(senders[0]):
        return ()
    return (ReportedRecipient(address=senders[0], action="replied", reason=Reason.VACATION),)


def name_kind(recipients: Sequence[ReportedRecipient]) -> ReportKind:
    """The kind of a report: the most severe result of its recipients. Without one that was tried it is none."""
    actions = {one.action for one in recipients}
    if actions <= {"replied"}:
        return "none"
    return "bounce" if "failed" in actions else "delayed" if "delayed" in actions else "delivered"


def _judge_fields(one: StatusFields, passages: Mapping[str, Passage], notice: str, count: int) -> ReportedRecipient:
    recipient = ReportedRecipient(
        address=one.address, original_address=one.original_address, action=one.action, remote_mta=one.remote_mta
    )
    if one.action in _DONE:
        return _confirm(recipient, one.status, one.diagnostic)
    passage = passages.get(one.address.lower()) or passages.get(one.original_address.lower())
    return _judge(
        recipient,
        BounceEvidence(
            diagnostic=one.diagnostic,
            status=one.status,
            remark=one.remark,
            context=notice if count == 1 else passage.said if passage else "",
            is_delayed=one.action == "delayed",
        ),
    )


def _judge_notice(one: NoticeRecipient, meaning: FeedbackMeaning) -> ReportedRecipient:
    if one.action == "complained":
        return _complain(one.address, meaning)
    recipient = ReportedRecipient(address=one.address, action=one.action)
    if one.action == "replied":
        return replace(recipient, reason=Reason.VACATION)
    if one.action in _DONE:
        return _confirm(recipient, one.status, one.diagnostic)
    evidence = BounceEvidence(
        diagnostic=one.diagnostic, status=one.status, category=one.category, is_delayed=one.action == "delayed"
    )
    return _judge(recipient, evidence)


def _judge_text_bounce(sections: MailSections, passages: Sequence[Passage]) -> Report | None:
    mail = sections.mail
    return_path = mail.header("return-path").strip()
    bounce = TextBounce(
        notice=sections.notice,
        subject=mail.header("subject"),
        sender=f"{mail.header('from')} {return_path.strip('<>')} {mail.header('x-mlserver')}",
        is_from_nobody=return_path == "<>",
        is_returning=sections.is_returning,
        is_reply=_is_reply(mail),
    )
    is_named = any(mail.header(name) for name in _FAILED)
    if not passages or _REPLIED_SUBJECT.search(bounce.subject) or not (is_named or is_bounce(bounce)):
        return None
    notice = bounce.notice if len(passages) == 1 else ""
    recipients = [_judge_passage(one, notice, is_delay(bounce)) for one in passages]
    return Report(kind=name_kind(recipients), recipients=tuple(recipients))


def _is_reply(mail: MimePart) -> bool:
    return (
        mail.header("auto-submitted").lower().startswith("auto-replied")
        or mail.header("precedence").lower().replace("_", "-") == "auto-reply"
        or any(mail.header(name) for name in _REPLIED_HEADERS)
    )


def _judge_passage(passage: Passage, notice: str, is_delayed: bool) -> ReportedRecipient:
    return _judge(
        ReportedRecipient(
            address=passage.address,
            original_address=passage.original_address,
            action="delayed" if is_delayed else "failed",
        ),
        BounceEvidence(
            diagnostic=find_telling("\n".join(passage.lines)) or find_telling(notice) or passage.said,
            context=f"{passage.said}\n{notice}",
            is_delayed=is_delayed,
        ),
    )


def _judge(recipient: ReportedRecipient, evidence: BounceEvidence) -> ReportedRecipient:
    judged = judge_bounce(evidence)
    said = evidence.diagnostic or evidence.remark or find_telling(evidence.context) or evidence.context
    return replace(
        recipient,
        status=judged.status,
        code=judged.code,
        hard=judged.is_hard,
        suppress=should_suppress(judged.judgement),
        reason=judged.judgement.reason,
        about=judged.judgement.about,
        diagnostic=_make_line(said),
    )


def _confirm(recipient: ReportedRecipient, status: str, diagnostic: str) -> ReportedRecipient:
    found, code = _DONE_STATUS.search(f"{diagnostic} {status}"), _DONE_CODE.search(diagnostic)
    return replace(
        recipient,
        status=found[0] if found else "",
        code=int(code[0]) if code else None,
        reason=Reason.DELIVERED,
        diagnostic=_make_line(diagnostic),
    )


def _complain(address: str, meaning: FeedbackMeaning = FeedbackMeaning.COMPLAINT) -> ReportedRecipient:
    return ReportedRecipient(address=address, action=meaning.value, reason=Reason.COMPLAINT)


def _make_line(text: str) -> str:
    return " ".join(text.split())[:MAX_DIAGNOSTIC]


def _fold(recipients: Sequence[ReportedRecipient]) -> list[ReportedRecipient]:
    """The recipients without repetitions of the same action."""
    seen: dict[tuple[str, str], ReportedRecipient] = {}
    for one in recipients:
        seen.setdefault((one.address.lower(), one.action), one)
    return list(seen.values())
