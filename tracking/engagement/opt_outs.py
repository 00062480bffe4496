"""Opt-outs and their recall by the recipients themselves: by the page, a mail program's one click, or mail.

Simulated mail never suppresses an address.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction

from accounts.services import write_audit
from ledger.sql import fetch_one_as
from tracking.events import Fact, lock_for_facts, record_facts
from tracking.message_tables import MESSAGES, RECIPIENTS
from tracking.models import EventType, Suppression, SuppressionReason, SuppressionWay
from tracking.suppressions.erased import ERASED_DOMAIN
from tracking.suppressions.reach import Cause, MailKind
from tracking.suppressions.service import Entry, Selection, find_suppressed, release_suppressions, suppress

MAX_USER_AGENT = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class MailedRecipient:
    """A recipient with the parts of its mail that an opt-out concerns."""

    recipient_id: UUID
    project_id: UUID
    message_id: UUID
    address: str
    is_simulated: bool
    stream: str
    from_name: str
    from_address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OptOut:
    """A recipient's request to opt out of the stream of its mail, or of all streams, with its proof."""

    way: SuppressionWay
    is_for_all: bool = False
    ip: str | None = None
    user_agent: str = ""


# The messages' tables belong to a higher package; this package depends on their schema, not on its code.
_RECIPIENT = f"""
SELECT r.id AS recipient_id, r.project_id, r.message_id, r.address, r.is_simulated,
       m.stream, m.from_name, m.from_address
FROM {RECIPIENTS} r JOIN {MESSAGES} m ON m.id = r.message_id
WHERE r.id = %s AND r.domain <> '{ERASED_DOMAIN}'
"""  # noqa: S608 - built from constants


def find_mailed_recipient(recipient_id: UUID) -> MailedRecipient | None:
    """The recipient; None if it was deleted (retention, erasure)."""
    return fetch_one_as(MailedRecipient, _RECIPIENT, [recipient_id])


def find_stop(mailed: MailedRecipient) -> Cause | None:
    """The strongest entry that stops mail of the same stream with an opt-out; None without one."""
    return MailKind(mailed.stream, obeys_opt_outs=True).find_stop(list_causes(mailed))


def find_opt_out(mailed: MailedRecipient) -> Cause | None:
    """The widest opt-out that holds for mail of the same stream; None without one."""
    own = [cause for cause in list_causes(mailed) if cause.reason == SuppressionReason.UNSUBSCRIBE]
    return MailKind(mailed.stream, obeys_opt_outs=True).find_stop(own)


def list_causes(mailed: MailedRecipient) -> Sequence[Cause]:
    return find_suppressed(mailed.project_id, [mailed.address], is_test=mailed.is_simulated).get(
        mailed.address.lower(), ()
    )


def unsubscribe(mailed: MailedRecipient, opt_out: OptOut) -> bool:
    """Suppress the recipient's address for the stream of its mail, or for all. Returns whether that is new."""
    stream = None if opt_out.is_for_all else mailed.stream
    with transaction.atomic():
        # A message is locked before an entry of the suppression list (docs/decisions/0205).
        lock_for_facts([mailed.message_id])
        is_new = True
        if not mailed.is_simulated:
            entry = Entry(
                address=mailed.address,
                reason=SuppressionReason.UNSUBSCRIBE,
                stream=stream,
                message_id=mailed.message_id,
                way=opt_out.way,
                ip=opt_out.ip,
            )
            _, is_new = suppress(mailed.project_id, entry)
        if is_new:
            record_facts([build_fact(mailed, opt_out, stream)])
    return is_new


def build_fact(mailed: MailedRecipient, opt_out: OptOut, stream: str | None) -> Fact:
    data: dict[str, Any] = {"stream": stream, "way": opt_out.way}
    if opt_out.ip:
        data["ip"] = opt_out.ip
    if opt_out.user_agent:
        data["user_agent"] = opt_out.user_agent[:MAX_USER_AGENT]
    return Fact(
        project_id=mailed.project_id,
        message_id=mailed.message_id,
        recipient_id=mailed.recipient_id,
        address=mailed.address,
        type=EventType.UNSUBSCRIBED,
        data=data,
    )


def resubscribe(mailed: MailedRecipient, ip: str | None) -> list[Suppression]:
    """Take back the recipient's opt-outs from the stream of its mail and from all streams. Returns the removed entries.

    The audit log keeps the proof. Entries for other reasons stay.
    """
    if mailed.is_simulated:
        return []
    selections = (
        Selection(reason=SuppressionReason.UNSUBSCRIBE, stream=mailed.stream),
        Selection(reason=SuppressionReason.UNSUBSCRIBE, is_for_all=True),
    )
    with transaction.atomic():
        removed = [row for each in selections for row in release_suppressions(mailed.project_id, mailed.address, each)]
        for row in removed:
            details = {"project": str(mailed.project_id), "stream": row.stream, "email_id": str(mailed.message_id)}
            write_audit("recipient", "resubscribe", row, ip=ip, **details)
    return removed
