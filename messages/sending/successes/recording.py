"""Records that providers took mail: recipient, message, attempt, event and webhook deliveries in one statement.

The next state of such mail depends on nothing that has to be looked up before. The statement checks that itself, and
leaves what needs a look to `messages.sending.recording`.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple
from uuid import UUID

from django.db import transaction

from common.ids import new_id
from ledger.rows import write_json
from ledger.sql import Prepared, as_ids, as_nullable, as_texts, send, write_few
from messages.message_events import STATUS_EVENTS
from messages.sending.outcomes import ENDS, ENDS_WELL, AttemptResult
from messages.sending.recording import attempt_event_data
from messages.states import Phase
from messages.transitions import list_sources, write_ends
from tracking.events import INSERT_AND_TELL, INSERT_FACTS, count_events_written
from webhooks.event_types import EventType
from webhooks.publishing import listeners, max_attempts
from webhooks.tasks import ring

_ENDS = sorted({ENDS[outcome][0] for outcome in ENDS_WELL})
_PAIRS = ", ".join(f"('{source}', '{end}')" for end in _ENDS for source in sorted(list_sources(end)))
_ROWS = write_few("""unnest(
        %(recipients)s::uuid[], %(attempt_ids)s::bigint[], %(statuses)s::text[], %(outcomes)s::text[],
        %(codes)s::smallint[], %(enhanced_codes)s::text[], %(replies)s::text[], %(hosts)s::text[], %(tls)s::text[],
        %(remote_ids)s::text[], %(events)s::uuid[], %(types)s::text[], %(data)s::jsonb[]
    ) AS rows(
        recipient_id, attempt_id, status, outcome, code, enhanced_code, reply, remote_host, tls, remote_id, event_id,
        event_type, data
    )""")
# Not in words that the index of leases matches: it has all those of this moment.
_IS_OURS = "(r.lease_token = ANY(%(tokens)s::uuid[])) IS TRUE"
# It waits for no lock, so the order of the locks does not matter. A recipient is left out that somebody has locked,
# that is not leased to us, that feedback has moved meanwhile, or whose message has others: they roll up together.
_SUCCESSES = f"""
WITH ended AS MATERIALIZED (
    SELECT v.*, r.message_id, r.project_id, r.address, r.is_test, r.age_seconds
    FROM {_ROWS} AS v, LATERAL (
        SELECT r.message_id, r.project_id, r.address, m.is_test,
               COALESCE(EXTRACT(epoch FROM now() - m.queued_at), 0)::float AS age_seconds
        FROM mail_recipient r JOIN mail_message m ON m.id = r.message_id
        WHERE r.id = v.recipient_id AND {_IS_OURS} AND (r.status, v.status) IN ({_PAIRS})
          AND NOT EXISTS (SELECT FROM mail_recipient s WHERE s.message_id = r.message_id AND s.id <> r.id)
        FOR NO KEY UPDATE OF m, r SKIP LOCKED
    ) AS r
), {write_ends("ended")}, finished AS (
    UPDATE mail_attempt a
    SET phase = '{Phase.DONE}', finished_at = now(), outcome = e.outcome, code = e.code,
        enhanced_code = e.enhanced_code, reply = e.reply, reason = '', about = '', remote_host = e.remote_host,
        tls = e.tls, remote_id = e.remote_id, next_attempt_at = NULL
    FROM ended e WHERE a.id = e.attempt_id AND a.recipient_id = e.recipient_id
), facts AS (
    SELECT event_id AS id, project_id, message_id, recipient_id, address, event_type AS type, data, 1 AS rank, is_test,
           status, status AS email_status
    FROM ended
)
"""  # noqa: S608 - built from constants
_RESULT = "SELECT recipient_id, age_seconds, event_type FROM ended"
_RECORD = Prepared(f"{_SUCCESSES}, events AS ({INSERT_FACTS}) {_RESULT}")
_RECORD_AND_TELL = Prepared(f"{_SUCCESSES}, {INSERT_AND_TELL} {_RESULT}")


class Plan(NamedTuple):
    """A statement that records results, and its values. `tells`: it may queue webhook deliveries."""

    sql: Prepared
    values: Mapping[str, object]
    tells: bool


def is_success(result: AttemptResult) -> bool:
    """Whether `plan_recording` takes a result. That of simulated mail may plan later events."""
    reply = result.reply
    return reply.outcome in ENDS_WELL and reply.about is None and not result.claim.is_simulated


def plan_recording(results: Sequence[AttemptResult]) -> Plan | None:
    """The statement for `results`, each of which `is_success`; None without any. Call it before the pipeline that
    sends the statement.
    """
    if not results:
        return None
    claims, replies = [result.claim for result in results], [result.reply for result in results]
    statuses = [ENDS[reply.outcome][0] for reply in replies]
    values: dict[str, object] = {
        "recipients": as_ids(claim.recipient_id for claim in claims),
        "attempt_ids": as_ids(claim.attempt_id for claim in claims),
        "tokens": as_ids({claim.token for claim in claims}),
        "count": len(results),
        "statuses": as_texts(statuses),
        "outcomes": as_texts(reply.outcome for reply in replies),
        "codes": as_nullable(reply.code for reply in replies),
        "enhanced_codes": as_texts(reply.enhanced_code for reply in replies),
        "replies": as_texts(reply.text for reply in replies),
        "hosts": as_texts(reply.remote_host for reply in replies),
        "tls": as_texts(reply.tls for reply in replies),
        "remote_ids": as_texts(reply.remote_id for reply in replies),
        "events": as_ids(new_id() for _ in results),
        "types": as_texts(STATUS_EVENTS[status] for status in statuses),
        "data": as_texts(write_json(attempt_event_data(result, is_suppressed=False)) for result in results),
    }
    tells = listeners.has_any({claim.project_id for claim in claims})
    if tells:
        values["attempts"] = max_attempts()
    return Plan(_RECORD_AND_TELL if tells else _RECORD, values, tells)


def send_plan(plan: Plan | None) -> Callable[[], Mapping[UUID, float]]:
    """Send the plan's statement in a pipeline. After its end and commit the result gives the recipients whose results
    were recorded, each with the seconds since its message was queued.
    """
    if plan is None:
        return dict
    rows = send(plan.sql, plan.values)

    def finish() -> Mapping[UUID, float]:
        recorded = rows()
        if recorded:
            counts = Counter(EventType(type_) for _, _, type_ in recorded)
            transaction.on_commit(partial(count_events_written, counts))
            if plan.tells:
                transaction.on_commit(ring)
        return {recipient_id: age_seconds for recipient_id, age_seconds, _ in recorded}

    return finish
