"""The events of messages that the same statement stores, as parts of it (`ledger.rows`)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ledger.rows import Part, Text, write_rows
from tracking.events import INSERT_FACTS, PAYLOAD_TIME, Fact
from webhooks.publishing import PUBLISH, max_attempts


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFact:
    """An event of a new message. `rank` numbers the events of the message from 1, `status` is the recipient's, or the
    message's if the event is about the whole message. `shown` are the message's own data in webhooks.
    """

    fact: Fact
    rank: int
    status: str
    email_status: str
    shown: Mapping[str, Any]


# `body` is the data of the webhook delivery: as `tracking.events.record_facts` has it, which reads it from the tables.
_COLUMNS = (
    "id uuid, project_id uuid, message_id uuid, recipient_id uuid, address text, type text, data jsonb, body jsonb,"
    " is_test boolean"
)
_FACTS = "facts AS MATERIALIZED (SELECT v.* FROM ROWS, SOURCE)"
_WRITTEN = Text(f"written AS ({INSERT_FACTS})")
# The same in one part, where nobody else reads them.
_WRITTEN_ONLY = _WRITTEN.text.replace("FROM facts", "FROM (SELECT v.* FROM ROWS, SOURCE) AS facts")
# The payload is made only for endpoints that want it.
_POSTED = Text(
    f"""
told AS (
    SELECT project_id, id AS event_id, type, is_test,
        json_build_object('type', type, 'timestamp', {PAYLOAD_TIME}, 'data', body)::text AS payload
    FROM facts
), posted AS ({PUBLISH.replace("%(attempts)s", "{0}")} RETURNING id)
""",  # noqa: S608 - built from constants
    1,
)


def event_parts(facts: Sequence[NewFact], source: str, *, is_heard: bool) -> list[Part]:
    """The parts that write the events if `source` has a row; if `is_heard`, with a row in the part `posted` for each
    webhook delivery.

    The caller wakes the webhooks' worker after the commit if there are any.
    """
    text = (_FACTS if is_heard else _WRITTEN_ONLY).replace("SOURCE", source)
    part = write_rows(text, _COLUMNS).build_part([build_row(fact, is_heard=is_heard) for fact in facts])
    return [part, (_WRITTEN, []), (_POSTED, [max_attempts()])] if is_heard else [part]


def build_row(new: NewFact, *, is_heard: bool) -> dict[str, Any]:
    fact = new.fact
    return {
        "id": fact.id,
        "project_id": fact.project_id,
        "message_id": fact.message_id,
        "recipient_id": fact.recipient_id,
        "address": fact.address,
        "type": fact.type,
        "data": fact.data,
        "body": build_body(new) if is_heard else None,
        "is_test": new.shown["test"],
    }


def build_body(new: NewFact) -> dict[str, Any]:
    """The `data` of a webhook delivery."""
    return {
        **new.shown,
        **new.fact.data,
        "email_id": new.fact.message_id,
        "recipient": new.fact.address or None,
        "status": new.status,
        "email_status": new.email_status,
        "seq": new.rank,
    }


def show_message(*, stream: str, is_test: bool, tags: Sequence[str], metadata: Mapping[str, str]) -> dict[str, Any]:
    """The data of a message in the webhook deliveries of its events."""
    return {"stream": stream, "test": is_test, "tags": tags, "metadata": metadata}
