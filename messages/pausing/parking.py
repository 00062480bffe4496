"""Parks mail: takes it out of the queue's index, so that it costs the claims nothing, and puts it back.

`Recipient.parked_by` names the pause or the cap. Parked mail keeps its status and its next attempt's time, and expires
as usual. An uncertain recipient keeps its reason too, since a person may settle it meanwhile.
"""

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction

from ledger.sql import fetch_column
from messages.states import OPEN_STATUSES, StatusReason
from messages.transitions import roll_up

BATCH = 2_000
_SHOW = f"CASE WHEN r.status_reason = '{StatusReason.UNCERTAIN}' THEN r.status_reason ELSE %(reason)s END"
_PARK = f"""
UPDATE mail_recipient r SET parked_by = %(by)s, status_reason = {_SHOW}
WHERE r.id = ANY(%(ids)s) AND r.lease_token IS NULL AND r.status IN ({OPEN_STATUSES})
RETURNING r.message_id
"""  # noqa: S608 - built from constants of this package
_WAITED = f"'{StatusReason.PAUSED}', '{StatusReason.CAP}'"
_UNPARK = f"""
WITH few AS MATERIALIZED (
    SELECT message_id FROM mail_recipient WHERE parked_by = %(by)s AND status IN ({OPEN_STATUSES}) LIMIT %(limit)s
), freed AS MATERIALIZED (
    SELECT r.id FROM mail_recipient r JOIN mail_message m ON m.id = r.message_id
    WHERE r.message_id IN (SELECT message_id FROM few) AND r.parked_by = %(by)s AND r.status IN ({OPEN_STATUSES})
      AND r.lease_token IS NULL
    FOR NO KEY UPDATE OF m, r SKIP LOCKED
)
UPDATE mail_recipient r SET parked_by = '', status_reason = CASE
    WHEN r.status_reason NOT IN ({_WAITED}) THEN r.status_reason
    WHEN r.attempt_count = 0 THEN '{StatusReason.NONE}' ELSE '{StatusReason.DEFERRED}' END
FROM freed WHERE r.id = freed.id RETURNING r.message_id
"""  # noqa: S608 - built from constants of this package
# One row of each value along the index, however many recipients it has.
_PARKERS = f"""
WITH RECURSIVE parkers AS (
    (SELECT parked_by FROM mail_recipient WHERE parked_by <> '' AND status IN ({OPEN_STATUSES})
     ORDER BY parked_by LIMIT 1)
    UNION ALL
    SELECT (SELECT parked_by FROM mail_recipient
            WHERE parked_by > p.parked_by AND parked_by <> '' AND status IN ({OPEN_STATUSES})
            ORDER BY parked_by LIMIT 1)
    FROM parkers p WHERE p.parked_by IS NOT NULL
)
SELECT parked_by FROM parkers WHERE parked_by IS NOT NULL
"""  # noqa: S608 - built from constants of this package


def park(ids: Sequence[UUID], by: str, reason: StatusReason) -> int:
    """Park recipients that are not leased, in the caller's transaction, which has locked them with their messages."""
    found = fetch_column(_PARK, {"ids": list(ids), "by": by, "reason": reason})
    roll_up(sorted(set(found)))
    return len(found)


def unpark(by: str, limit: int = BATCH) -> int:
    """Put the recipients of up to `limit` messages back into the queue, those of one together. Returns their number."""
    with transaction.atomic():
        found = fetch_column(_UNPARK, {"by": by, "limit": limit})
        roll_up(sorted(set(found)))
    return len(found)


def list_parkers() -> Sequence[str]:
    """The values of `parked_by` that open mail has."""
    return fetch_column(_PARKERS)
