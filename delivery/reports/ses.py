"""Parse Amazon SES's JSON notices, which SNS mails to a subscriber."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from delivery.judging.model import HARD_BOUNCE, NO_MAILBOX, Category
from delivery.judging.terms import Reason

_KINDS = {"Bounce": "bounce", "Complaint": "complaint", "Delivery": "delivery", "DeliveryDelay": "deliveryDelay"}
_ACTIONS = {"Bounce": "failed", "Complaint": "complained", "Delivery": "delivered", "DeliveryDelay": "delayed"}
# The enhanced codes of bounces that SES decides without a reply of the other side.
_SUBTYPES = {
    "NoEmail": "5.1.1",
    "MailboxFull": "5.2.2",
    "MessageTooLarge": "5.3.4",
    "ContentRejected": "5.6.0",
    "AttachmentRejected": "5.6.0",
}
_LISTS = ("bouncedRecipients", "complainedRecipients", "recipients", "delayedRecipients")
MAX_RECIPIENTS = 100
MAX_HEADERS = 200
MAX_WRAPPED = 256 * 1024
# The class of a bounce, by type and subtype; `General` holds every refusal that Amazon does not tell apart.
_CATEGORIES: Mapping[tuple[str, str], Category] = {
    ("Permanent", "General"): HARD_BOUNCE,
    ("Permanent", "NoEmail"): NO_MAILBOX,
    ("Permanent", "Suppressed"): Category(Reason.FILTERED),
    ("Permanent", "OnAccountSuppressionList"): Category(Reason.FILTERED),
}
_REPLY = ("Transient", "General")


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeRecipient:
    """One recipient of a notice."""

    address: str
    action: str
    status: str
    diagnostic: str
    category: Category | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SesNotice:
    """One notice."""

    recipients: tuple[NoticeRecipient, ...]
    message_id: str
    reporting_mta: str
    feedback_type: str
    headers: Mapping[str, tuple[str, ...]]


def read_notice(text: str) -> SesNotice | None:
    """The notice at the start of `text`, or None. Lines that sendmail split (`!` at the end) are joined. Subscribers by
    `email-json` get it wrapped in a message of SNS.
    """
    data = _decode(text.replace("!\n ", "").lstrip())
    if _text(data, "Type") == "Notification":
        data = _decode(_text(data, "Message", MAX_WRAPPED))
    name = _text(data, "notificationType") or _text(data, "eventType")
    if name not in _KINDS:
        return None
    event, mail = _dict(data, _KINDS[name]), _dict(data, "mail")
    return SesNotice(
        recipients=tuple(_read_recipients(event, name))[:MAX_RECIPIENTS],
        message_id=_text(_dict(mail, "commonHeaders"), "messageId").strip("<> "),
        reporting_mta=_text(event, "reportingMTA").rpartition(";")[2].strip(),
        feedback_type=_text(event, "complaintFeedbackType") or ("abuse" if name == "Complaint" else ""),
        headers=_read_headers(mail),
    )


def _decode(text: str) -> object:
    """The JSON object at the start of `text`; None without one."""
    if not text.startswith("{"):
        return None
    try:
        return json.JSONDecoder(strict=False).raw_decode(text)[0]
    except (ValueError, RecursionError):
        return None


def _read_headers(mail: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    """The headers of our mail, where the identity's notifications include them, by lower-case name."""
    rows = mail.get("headers")
    headers: dict[str, tuple[str, ...]] = {}
    for row in (rows if isinstance(rows, list) else [])[:MAX_HEADERS]:
        name = _text(row, "name").lower()
        headers[name] = (*headers.get(name, ()), _text(row, "value"))
    return headers


def _read_recipients(event: dict[str, Any], name: str) -> list[NoticeRecipient]:
    rows: list[object] = next((event[key] for key in _LISTS if isinstance(event.get(key), list)), [])
    kind = (_text(event, "bounceType"), _text(event, "bounceSubType"))
    return [_read_recipient(row, event, name, kind) for row in rows]


def _read_recipient(row: object, event: dict[str, Any], name: str, kind: tuple[str, str]) -> NoticeRecipient:
    status, diagnostic = _text(row, "status"), _text(row, "diagnosticCode") or _text(event, "smtpResponse")
    # An automatic answer after the delivery (out of office) is told as a bounce without a cause.
    is_reply = kind == _REPLY and not status and not diagnostic
    return NoticeRecipient(
        address=(row if isinstance(row, str) else _text(row, "emailAddress"))[:320],
        action="replied" if is_reply else _ACTIONS[name],
        status=status or _SUBTYPES.get(kind[1], ""),
        diagnostic=diagnostic,
        category=_CATEGORIES.get(kind),
    )


def _dict(data: object, key: str) -> dict[str, Any]:
    value = data.get(key) if isinstance(data, dict) else None
    return value if isinstance(value, dict) else {}


def _text(data: object, key: str, size: int = 2_000) -> str:
    value = data.get(key) if isinstance(data, dict) else None
    return value[:size] if isinstance(value, str) else ""
