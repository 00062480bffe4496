"""Parked mail: open recipients that a block keeps out of the claims' index, with the reason in `status_reason`.

A block is a pause, a cap, or whatever else stops mail for a time that nobody knows. Its key is `kind:id`, such as
`pause:0192f0c1-…`. Parked mail costs claims nothing, keeps its due time and its place, expires as usual, and is shown
with the block's reason. For a new kind of block:

1. Make a `Block` for each one, and give its reason a line in `StatusReason` and in `explain.waiting.PARKED`.
2. After the claim, call `park_claims` for the claimed mail that a block concerns (as `senders.drop_refused_senders`
   does for its own), and go on with the rest. That alone parks all mail of the block, each recipient when its turn
   comes, whatever the block is about, and also mail that becomes due later.
3. To do so at once for a large backlog, call `park_waiting` where the block is made.
4. Where the block ends, delete it and call `unpark` after the commit; then ring the lanes.
5. Add the kind to `tasks.PARKERS`: the tick asks which keys still hold, and unparks the mail of the others. So a
   program that dies between 4's two steps leaves no mail behind, nor does a claim that parked mail meanwhile.

Mail that two blocks concern is parked by one of them; when that one ends, the claim finds the other.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction

from ledger.batches import run_batches
from ledger.sql import fetch_column
from messages.sending.claims import Claim, release_claims
from messages.states import OPEN_STATUSES, Lane, StatusReason
from messages.transitions import lock_free_recipients, roll_up

BATCH = 500
# Returns those of a kind's keys that still hold.
FindCurrent = Callable[[Collection[str]], Collection[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """`key` is `kind:id`; mail is parked by it and later unparked by it."""

    key: str
    reason: StatusReason


# That an attempt's outcome is uncertain decides what feedback and people may do, so a block does not hide it.
_KEPT = f"r.status_reason = '{StatusReason.UNCERTAIN}'"
_PARK = f"""
UPDATE mail_recipient r
SET parked_by = v.key, status_reason = CASE WHEN {_KEPT} THEN r.status_reason ELSE v.reason END
FROM unnest(%s::uuid[], %s::text[], %s::text[]) AS v(id, key, reason)
WHERE r.id = v.id AND r.lease_token IS NULL AND r.parked_by = '' AND r.status IN ({OPEN_STATUSES})
RETURNING r.message_id
"""  # noqa: S608 - built from constants of this package
_WAITING = """
SELECT r.id FROM mail_recipient r JOIN mail_message m ON m.id = r.message_id
WHERE r.lane = ANY(%(lanes)s) AND r.is_simulated = ANY('{{f,t}}') AND r.lease_token IS NULL AND r.parked_by = ''
  AND r.crash_count = 0 AND r.next_attempt_at IS NOT NULL AND ({condition})
LIMIT %(batch)s FOR NO KEY UPDATE OF m, r SKIP LOCKED
"""
_PARKED = f"""
SELECT r.id FROM mail_recipient r JOIN mail_message m ON m.id = r.message_id
WHERE r.parked_by = %s AND r.status IN ({OPEN_STATUSES}) LIMIT %s FOR NO KEY UPDATE OF m, r SKIP LOCKED
"""  # noqa: S608 - built from constants of this package
_UNPARK = f"""
UPDATE mail_recipient r
SET parked_by = '', status_reason = CASE WHEN {_KEPT} THEN r.status_reason
    WHEN r.deferral_count > 0 THEN '{StatusReason.DEFERRED}' ELSE '{StatusReason.NONE}' END
WHERE r.id = ANY(%s) RETURNING r.message_id
"""  # noqa: S608 - built from constants of this package
# Goes from key to key along the index, whatever the number of their recipients.
_KEYS = f"""
WITH RECURSIVE keys AS (
    (SELECT parked_by FROM mail_recipient WHERE parked_by <> '' AND status IN ({OPEN_STATUSES})
     ORDER BY parked_by LIMIT 1)
    UNION ALL
    SELECT step.parked_by FROM keys k, LATERAL (
        SELECT parked_by FROM mail_recipient
        WHERE parked_by <> '' AND status IN ({OPEN_STATUSES}) AND parked_by > k.parked_by
        ORDER BY parked_by LIMIT 1
    ) step
)
SELECT parked_by FROM keys
"""  # noqa: S608 - built from constants of this package


def park_claims(claims: Mapping[Claim, Block]) -> None:
    """Undo claims whose attempts have not started, and park their mail, each by its block.

    A recipient that another transaction has locked is only given back: the next claim of it finds the block again.
    """
    if not claims:
        return
    with transaction.atomic():
        free = lock_free_recipients(claim.recipient_id for claim in claims)
        release_claims(list(claims))
        _park({claim.recipient_id: block for claim, block in claims.items() if claim.recipient_id in free})


def park_waiting(block: Block, condition: str, values: Mapping[str, Any]) -> int:
    """Park waiting mail for the time of `run_batches`, and return the number of its recipients. The claims park the
    rest.

    `condition` is SQL on a recipient `r` and its message `m`, with named parameters: begin it with the project's id.
    Leased mail is not parked; it goes out, or is claimed again and parked then.
    """
    sql = _WAITING.format(condition=condition)
    params = {**values, "lanes": list(Lane), "batch": BATCH}

    def park_batch() -> int:
        with transaction.atomic():
            return _park(dict.fromkeys(fetch_column(sql, params), block))

    return run_batches(park_batch)


def unpark(key: str) -> int:
    """Make the mail that a block has parked due again, at its own due times; returns the number of recipients.

    It goes on for the time of `run_batches`, and the tick with the rest. Call it after the block's end is committed.
    """

    def unpark_batch() -> int:
        with transaction.atomic():
            ids = fetch_column(_PARKED, [key, BATCH])
            if ids:
                roll_up(sorted(set(fetch_column(_UNPARK, [ids]))))
        return len(ids)

    return run_batches(unpark_batch)


def sweep_parked(parkers: Mapping[str, FindCurrent]) -> int:
    """Unpark the mail of blocks that have ended; returns the number of recipients. `parkers` by kind.

    Mail of a kind that this program does not know stays parked: a newer program may run beside it.
    """
    by_kind: dict[str, list[str]] = {}
    for key in fetch_column(_KEYS):
        by_kind.setdefault(key.partition(":")[0], []).append(key)
    ended = [
        key for kind, keys in by_kind.items() if kind in parkers for key in sorted(set(keys) - set(parkers[kind](keys)))
    ]
    return sum(unpark(key) for key in ended)


def _park(blocks: Mapping[UUID, Block]) -> int:
    """Park recipients that are locked with their messages, in the caller's transaction."""
    if not blocks:
        return 0
    columns = (
        list(blocks),
        [block.key for block in blocks.values()],
        [block.reason for block in blocks.values()],
    )
    message_ids = fetch_column(_PARK, columns)
    roll_up(sorted(set(message_ids)))
    return len(message_ids)
