"""Mailboxes that are only disabled: such an address is suppressed at its third bounce, when it bounced for seven days.

A disabled mailbox may come back: many providers disable one for a while. A delivery in between begins the count anew.
The bounces are the events of the project's mail, so that nothing else has to be kept, erased or cleared.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from delivery.judging.terms import Reason
from ledger.sql import execute, fetch
from messages.states import Status
from tracking.models import EventType

MIN_BOUNCES = 3
MIN_SPAN = timedelta(days=7)


class Mailbox(NamedTuple):
    """An address, in lower case, for one project."""

    project_id: UUID
    address: str


# Two transactions with a bounce of the same mailbox count one after the other. The rows of both are locked already.
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"
# The bounces since the last delivery, without the present one, and the time of the first.
_COUNT = """
WITH facts AS (
    SELECT e.type, e.occurred_at, e.data ->> 'reason' AS reason, r.status
    FROM mail_recipient r JOIN tracking_event e ON e.message_id = r.message_id AND e.recipient_id = r.id
    WHERE r.project_id = %(project)s AND lower(r.address) = %(address)s AND NOT r.is_simulated
      AND e.type IN (%(bounced)s, %(delivered)s)
)
SELECT count(*), now() - min(occurred_at) FROM facts
WHERE type = %(bounced)s AND reason = %(reason)s AND occurred_at > COALESCE(
    (SELECT max(occurred_at) FROM facts WHERE type = %(delivered)s AND status = %(status)s), '-infinity'
)
"""


def find_closed(mailboxes: Iterable[Mailbox]) -> Mapping[Mailbox, str]:
    """The mailboxes that bounce as disabled once more, and are to be suppressed now, each with a note for people.

    Call it in the transaction that then records the bounces, after the recipients are locked.
    """
    found: dict[Mailbox, str] = {}
    for mailbox in sorted(set(mailboxes)):
        execute(_LOCK, [f"{mailbox.project_id}:{mailbox.address}"])
        values = {
            "project": mailbox.project_id,
            "address": mailbox.address,
            "bounced": EventType.BOUNCED,
            "delivered": EventType.DELIVERED,
            "reason": Reason.DISABLED,
            "status": Status.DELIVERED,
        }
        for count, span in fetch(_COUNT, values):
            if count + 1 >= MIN_BOUNCES and span >= MIN_SPAN:
                found[mailbox] = f"a disabled mailbox: {count + 1} bounces in {span.days} days without a delivery"
    return found
