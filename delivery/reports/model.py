"""The common model of reports about sent mail: bounces, complaints and receipts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from delivery.judging.terms import About, Reason

ReportKind = Literal["bounce", "complaint", "delivered", "delayed", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedRecipient:
    """A report's result for one recipient.

    `address` is the one that the reporting host tried; `original_address` is the one that we used, where the report
    has both (RFC 3464, 2.3.1), else empty. `action` is a value of RFC 3464 (`failed`, `delayed`, `delivered`,
    `relayed`, `expanded`), or `complained`, `unsubscribed`, or `replied` for an automatic answer. `status` is the best
    enhanced code that was found (RFC 3463), `code` the SMTP reply code. `hard` is true only if the address itself is
    the permanent cause, `suppress` only if that is proved (`delivery.judging`); `about` is the subject of a refusal.
    `diagnostic` is the other side's text for people: one line, at most 1,000 characters.
    """

    address: str
    original_address: str = ""
    action: str = "failed"
    status: str = ""
    code: int | None = None
    hard: bool = False
    suppress: bool = False
    reason: Reason = Reason.UNKNOWN
    about: About | None = None
    diagnostic: str = ""
    remote_mta: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A parsed report. Mail that is not a report has the kind `none`; so has an automatic reply, with its sender
    as recipient.

    Three fields identify our mail: `addressed_to` (the report's addressees; the first is our VERP return path),
    `original_message_id` (without angle brackets) and `original_envelope_id` (our ENVID, RFC 3461). `arrived_at`
    is the time at which the reporting host accepted our mail. `returned_headers` are the headers of our mail as far as
    the report returns them, by lower-case name. `feedback_type` is set for feedback reports (RFC 5965, 3.1), also those
    of kind `none`: `not-spam`, `virus`.
    """

    kind: ReportKind
    recipients: tuple[ReportedRecipient, ...] = ()
    addressed_to: tuple[str, ...] = ()
    original_message_id: str = ""
    original_envelope_id: str = ""
    reporting_mta: str = ""
    arrived_at: datetime | None = None
    feedback_type: str = ""
    returned_headers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
