"""The common model of reports about sent mail: bounces, complaints and receipts."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

ReportKind = Literal["bounce", "complaint", "delivered", "delayed", "none"]


class BounceReason(StrEnum):
    """The reason of a report. `HARD` holds the reasons that make an address permanently invalid."""

    NO_SUCH_USER = "no_such_user"
    HOST_UNKNOWN = "host_unknown"
    NO_MAIL_SERVICE = "no_mail_service"  # the domain exists but does not accept mail, such as with a null MX (RFC 7505)
    MOVED = "moved"
    MAILBOX_FULL = "mailbox_full"
    DISABLED = "disabled"  # the mailbox exists but is closed, perhaps temporarily
    FILTERED = "filtered"  # rejected by rules of the recipient or of a group
    SENDER_REJECTED = "sender_rejected"
    AUTHENTICATION = "authentication"  # SPF, DKIM, DMARC, TLS, or a required login
    RELAYING = "relaying"
    BLOCKED = "blocked"  # our host or network: block list, reputation, reverse DNS
    SPAM = "spam"
    VIRUS = "virus"
    CONTENT = "content"
    POLICY = "policy"
    TOO_BIG = "too_big"
    TOO_MANY = "too_many"  # too many connections, recipients or messages
    NETWORK = "network"
    EXPIRED = "expired"  # the reporting host has given up or still retries
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
    """A report's result for one recipient.

    `address` is the one that the reporting host tried; `original_address` is the one that we used, where the report
    has both (RFC 3464, 2.3.1), else empty. `action` is a value of RFC 3464 (`failed`, `delayed`, `delivered`,
    `relayed`, `expanded`), or `complained`, or `replied` for an automatic answer. `status` is the best enhanced code
    that was found (RFC 3463), `code` the SMTP reply code. `hard` is true only if the address itself is the
    permanent cause. `diagnostic` is the other side's text for people: one line, at most 1,000 characters.
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
    """A parsed report. Mail that is not a report has the kind `none`; so has an automatic reply, with its sender
    as recipient.

    Three fields identify our mail: `addressed_to` (the report's addressees; the first is our VERP return path),
    `original_message_id` (without angle brackets) and `original_envelope_id` (our ENVID, RFC 3461). `arrived_at`
    is the time at which the reporting host accepted our mail. `feedback_type` is set for complaints (RFC 5965, 3.1).
    """

    kind: ReportKind
    recipients: tuple[ReportedRecipient, ...] = ()
    addressed_to: tuple[str, ...] = ()
    original_message_id: str = ""
    original_envelope_id: str = ""
    reporting_mta: str = ""
    arrived_at: datetime | None = None
    feedback_type: str = ""
