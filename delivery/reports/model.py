"""What a report about sent mail says, whoever wrote it: the one shape that bounces, complaints and receipts come to."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

ReportKind = Literal["bounce", "complaint", "delivered", "delayed", "none"]


class BounceReason(StrEnum):
    """Why, in our own few words. `HARD` says which of them mean that this address will never work."""

    NO_SUCH_USER = "no_such_user"
    HOST_UNKNOWN = "host_unknown"
    NO_MAIL_SERVICE = "no_mail_service"  # the domain exists and takes no mail: null MX (RFC 7505), and its like
    MOVED = "moved"
    MAILBOX_FULL = "mailbox_full"
    DISABLED = "disabled"  # the mailbox is there and was closed, perhaps for a while
    FILTERED = "filtered"  # refused by the recipient's own rules, or by a group's
    SENDER_REJECTED = "sender_rejected"
    AUTHENTICATION = "authentication"  # SPF, DKIM, DMARC, TLS, a login that was asked for
    RELAYING = "relaying"
    BLOCKED = "blocked"  # our host or network: block list, reputation, reverse DNS
    SPAM = "spam"
    VIRUS = "virus"
    CONTENT = "content"
    POLICY = "policy"
    TOO_BIG = "too_big"
    TOO_MANY = "too_many"  # connections, recipients or messages in a time
    NETWORK = "network"
    EXPIRED = "expired"  # tried for as long as the reporting host tries, or still trying
    SYSTEM = "system"
    PROTOCOL = "protocol"
    COMPLAINT = "complaint"
    DELIVERED = "delivered"
    VACATION = "vacation"
    UNKNOWN = "unknown"


HARD = frozenset(
    {BounceReason.NO_SUCH_USER, BounceReason.HOST_UNKNOWN, BounceReason.NO_MAIL_SERVICE, BounceReason.MOVED}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedRecipient:
    """What is said of one recipient.

    `address` is the one that the reporting host tried, `original_address` the one that we wrote, where the report
    knows both (RFC 3464, 2.3.1); it is empty else. `action` is RFC 3464's word (`failed`, `delayed`, `delivered`,
    `relayed`, `expanded`), or `complained`, or `replied` for an automatic answer. `status` is the best enhanced code
    that was found (RFC 3463), `code` the SMTP reply code. `hard` is true only where the address itself is the cause,
    for good. `diagnostic` is for people: one line, at most 1,000 characters, as the other side wrote it.
    """

    address: str
    original_address: str = ""
    action: str = "failed"
    status: str = ""
    code: int | None = None
    hard: bool = False
    reason: BounceReason = BounceReason.UNKNOWN
    diagnostic: str = ""
    remote_mta: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One mail, understood. One that reports nothing has kind `none`; an automatic reply too, yet it names who replied.

    What ties it to our mail: `addressed_to` (the addresses that the report came to, the envelope's first: our VERP
    return path), `original_message_id` (without angle brackets) and `original_envelope_id` (our ENVID, RFC 3461).
    `arrived_at` is when the reporting host took our mail. `feedback_type` is set for complaints (RFC 5965, 3.1).
    """

    kind: ReportKind
    recipients: tuple[ReportedRecipient, ...] = ()
    addressed_to: tuple[str, ...] = ()
    original_message_id: str = ""
    original_envelope_id: str = ""
    reporting_mta: str = ""
    arrived_at: datetime | None = None
    feedback_type: str = ""
