"""Writes events to the log, and the webhook deliveries of each event with it."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from common.ids import new_id
from ledger.sql import Prepared, as_rows, execute
from ledger.telemetry.families import EVENTS
from tracking.feed.cursor import POSITION
from tracking.message_tables import MESSAGES, RECIPIENTS
from webhooks.event_types import EventType
from webhooks.publishing import PUBLISH, listeners, max_attempts
from webhooks.tasks import ring


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """An event before it is written. `recipient_id` is None for events of the whole message."""

    id: UUID = field(default_factory=new_id)
    project_id: UUID
    message_id: UUID
    type: EventType
    recipient_id: UUID | None = None
    address: str = ""
    data: dict[str, Any] = field(default_factory=dict)


# The time of an event in the body of a webhook delivery.
PAYLOAD_TIME = """to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
# The body of a webhook delivery: `type`, `timestamp` and `data` of the Standard Webhooks. `data` has the event's own
# data and the fields by which receivers identify it; an event about a suppression has a `stream` of its own. `seq`
# counts a message's events. The messages' tables belong to a
# higher package; this package depends on their schema, not on its code.
_PAYLOAD = f"""
json_build_object(
    'type', f.type,
    'timestamp', {PAYLOAD_TIME},
    'data', (
        SELECT jsonb_build_object('stream', m.stream) || f.data || jsonb_build_object(
            'email_id', f.message_id,
            'recipient', NULLIF(f.address, ''),
            'status', COALESCE(f.status, (SELECT r.status FROM {RECIPIENTS} r WHERE r.id = f.recipient_id), m.status),
            'email_status', COALESCE(f.email_status, m.status),
            'seq', f.rank + (SELECT count(*) FROM tracking_event e WHERE e.message_id = f.message_id),
            'test', COALESCE(m.is_test, false),
            'tags', COALESCE(m.tags, '{{}}'),
            'metadata', COALESCE(m.metadata, '{{}}'))
        FROM (SELECT f.message_id AS id) AS subject LEFT JOIN {MESSAGES} m ON m.id = subject.id)
)::text
"""  # noqa: S608 - built from constants

_ROWS = f"""
SELECT f.*, COALESCE((SELECT m.is_test FROM {MESSAGES} m WHERE m.id = f.message_id), false) AS is_test,
       NULL::text AS status, NULL::text AS email_status
FROM jsonb_to_recordset(%(rows)s::jsonb) AS f(
    id uuid, project_id uuid, message_id uuid, recipient_id uuid, address text, type text, data jsonb, rank int)
"""  # noqa: S608 - built from constants
# Writes the rows of the part `facts` of the same statement. The position in the feed is computed once per statement:
# see `tracking.feed.cursor`.
INSERT_FACTS = f"""
INSERT INTO tracking_event
    (id, project_id, is_test, message_id, recipient_id, address, type, data, occurred_at, position)
SELECT id, project_id, is_test, message_id, recipient_id, address, type, data, now(), (SELECT {POSITION}) FROM facts
"""  # noqa: S608 - built from constants
# The same with a row for each webhook delivery. A statement that changes states itself gives the new ones in `status`
# and `email_status`, since it cannot read them.
INSERT_AND_TELL = f"""
events AS ({INSERT_FACTS}), told AS (
    SELECT f.project_id, f.id AS event_id, f.type, f.is_test, {_PAYLOAD} AS payload FROM facts f
), posted AS ({PUBLISH})
"""  # noqa: S608 - built from constants
_WRITE = Prepared(f"WITH facts AS MATERIALIZED ({_ROWS}) {INSERT_FACTS}")
# Used only for projects with endpoints: it takes 1.5 times as long for a batch, and six times as long for one event.
_WRITE_AND_TELL = Prepared(f"WITH facts AS MATERIALIZED ({_ROWS}), {INSERT_AND_TELL} SELECT")

# Without the lock, concurrent events of one message would get the same `seq`. A change of state already holds it.
_LOCK = f"SELECT id FROM {MESSAGES} WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE"  # noqa: S608


def lock_for_facts(message_ids: Collection[UUID]) -> None:
    """Lock the messages of facts that a transaction will record after it has locked what comes later in the order."""
    execute(_LOCK, [list(message_ids)])


def record_facts(facts: Sequence[Fact]) -> None:
    """Append `facts` to the log, in the transaction that makes the change which they describe.

    A caller that changes a message's state holds the lock of its row, so the feed has a message's events in the order
    of their causes. Webhook endpoints get them after the commit.
    """
    if not facts:
        return
    assert connection.in_atomic_block, "an event is written with its cause or not at all"
    transaction.on_commit(partial(count_events_written, Counter(fact.type for fact in facts)))
    rows = as_rows(build_rows(facts))
    if not listeners.has_any({fact.project_id for fact in facts}):
        execute(_WRITE, {"rows": rows})
        return
    lock_for_facts({fact.message_id for fact in facts})
    execute(_WRITE_AND_TELL, {"rows": rows, "attempts": max_attempts()})
    transaction.on_commit(ring)


def count_events_written(counts: Mapping[EventType, int]) -> None:
    for type_, count in counts.items():
        EVENTS.add(type_, amount=count)


def build_rows(facts: Sequence[Fact]) -> Iterator[dict[str, Any]]:
    """Convert facts to rows; `rank` numbers the facts of each message from 1."""
    ranks: Counter[str] = Counter()
    for fact in facts:
        message_id = str(fact.message_id)
        ranks[message_id] += 1
        # Not `dataclasses.asdict`: it copies every value, for ten times as long as PostgreSQL takes for the row.
        yield {
            "id": str(fact.id),
            "project_id": str(fact.project_id),
            "message_id": message_id,
            "recipient_id": str(fact.recipient_id) if fact.recipient_id else None,
            "address": fact.address,
            "type": fact.type,
            "data": fact.data,
            "rank": ranks[message_id],
        }
