"""Replaces an erased address wherever a text of ours names it, table by table. The tables below are the whole list.

Each walk reads all that the project keeps once, in batches by key.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from ledger.sql import as_ids, execute, fetch, fetch_column
from messages.lifetimes.erasing.patterns import holds, replace_in, replace_mailboxes
from messages.lifetimes.erasing.work import Step, StepResult, Subject

# ruff: noqa: S608 - statements built from constants
BATCH = 500
SEPARATOR = "/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """The columns of a table that may name an address, with their kinds (`patterns.replace_in`).

    `rows` selects the rows of a batch. A kind that is no word of `replace_in` is the new value itself.
    """

    table: str
    columns: Mapping[str, str]
    rows: str = ""

    def write(self, rows: str = "") -> str:
        """The statement that replaces the address in the rows of a batch."""
        new = ", ".join(f"{name} = {write_value(name, kind)}" for name, kind in self.columns.items())
        found = " OR ".join(holds(name, kind) for name, kind in self.columns.items())
        return f"UPDATE {self.table} SET {new} WHERE {rows or self.rows} AND ({found})"


_HEADER = "jsonb_build_object('to', {to}, 'cc', {cc})"


def write_value(name: str, kind: str) -> str:
    if kind == "header":
        parts = {field: replace_mailboxes(f"{name} -> '{field}'") for field in ("to", "cc")}
        return f"CASE WHEN {name} IS NULL THEN NULL ELSE {_HEADER.format(**parts)} END"
    if kind == "refilled":
        # `search.filling` finds such rows and fills their columns from the others.
        return "NULL"
    if kind == "key":
        # It stays unique: another key may differ by the case of the address only.
        return "'erased-' || id"
    return replace_in(name, kind)


_OF_MESSAGES = "message_id = ANY(%(ids)s::uuid[])"
_OF_RECIPIENTS = f"recipient_id IN (SELECT id FROM mail_recipient WHERE {_OF_MESSAGES})"
# What belongs to the messages of a batch.
MESSAGE_TEXTS: Sequence[Texts] = (
    Texts(
        table="mail_message",
        columns={"subject": "text", "headers": "jsonb", "reply_to": "mailboxes", "metadata": "jsonb", "tags": "list"},
        rows="id = ANY(%(ids)s::uuid[])",
    ),
    Texts(
        table="mail_content",
        columns={"html": "text", "text": "text", "header_recipients": "header", "original_message_id": "text"},
        rows=_OF_MESSAGES,
    ),
    Texts(
        table="mail_subject",
        columns={
            **dict.fromkeys(("text", "tags", "filenames", "pairs"), "text"),
            "metadata": "jsonb",
            "recipients": "refilled",
        },
        rows=_OF_MESSAGES,
    ),
    Texts(table="mail_attachment", columns={"filename": "text"}, rows=_OF_MESSAGES),
    Texts(table="mail_recipient", columns={"name": "text", "last_reply": "text"}, rows=_OF_MESSAGES),
    Texts(table="mail_attempt", columns={"reply": "text"}, rows=_OF_RECIPIENTS),
    Texts(table="tracking_trackedlinks", columns={"urls": "list"}, rows=_OF_MESSAGES),
    Texts(table="tracking_visit", columns={"url": "text", "user_agent": "text"}, rows=_OF_MESSAGES),
)
# Rows with a key and a project of their own.
OWN_TEXTS: Sequence[Texts] = (
    Texts(table="webhooks_webhookdelivery", columns={"payload": "text", "attempts": "jsonb"}),
    Texts(table="accounts_idempotencykey", columns={"body": "jsonb", "headers": "jsonb"}),
    Texts(table="accounts_idempotencykey", columns={"key": "key"}),
    Texts(table="accounts_auditentry", columns={"object": "text", "reason": "text", "data": "jsonb"}),
    Texts(table="accounts_notice", columns={"text": "text", "data": "jsonb"}),
    # A client may name its requests as it likes.
    Texts(table="accounts_requestentry", columns={"request_id": "text"}),
    Texts(table="tracking_suppression", columns={"note": "text"}),
    Texts(table="tracking_heldsuppression", columns={"note": "text"}),
    Texts(table="mail_pause", columns={"reason": "text"}),
)
# Rows of the installation: its own notices and logs, and the local inbox.
SHARED_TEXTS: Sequence[Texts] = (
    Texts(
        table="accounts_auditentry",
        columns={"object": "text", "reason": "text", "data": "jsonb"},
        rows="project_id IS NULL",
    ),
    Texts(table="accounts_notice", columns={"text": "text", "data": "jsonb"}, rows="project_id IS NULL"),
    Texts(table="django_admin_log", columns={"object_repr": "text", "change_message": "text"}, rows="TRUE"),
    Texts(table="tracking_suppressionwave", columns={"words": "text"}, rows="TRUE"),
)
_INBOX = """
DELETE FROM inbox_mail WHERE rcpt_folded @> ARRAY[%(address)s] OR search ~* %(pattern)s
    OR encode(raw, 'escape') ~* %(pattern)s
"""
# Searches that people keep, as parts of a URL.
_SEARCHES = """
DELETE FROM mail_savedsearch
WHERE name ~* %(pattern)s OR replace(replace(query, '%%40', '@'), '%%2B', '+') ~* %(pattern)s
"""
# Waiting feedback about this project's mail; the recipient is gone, or is told apart by its id.
_FEEDBACK = """
UPDATE mail_receivedfeedback f SET content = '{}', due_at = NULL
WHERE f.due_at IS NOT NULL AND f.content::text ~* %(pattern)s AND (
    EXISTS (SELECT FROM mail_recipient r WHERE r.id::text = f.content ->> 'recipient_id' AND r.project_id = %(project)s)
    OR EXISTS (SELECT FROM mail_message m WHERE m.id::text = f.content ->> 'message_id' AND m.project_id = %(project)s)
    OR EXISTS (SELECT FROM mail_attempt a WHERE f.content ->> 'remote_id' <> ''
               AND a.remote_id = f.content ->> 'remote_id' AND a.project_id = %(project)s))
"""

_MESSAGES = f"""
SELECT id FROM mail_message WHERE project_id = %(project)s AND id > %(after)s AND id <= %(newest)s
ORDER BY id LIMIT {BATCH}
"""


def replace_in_messages(subject: Subject, place: str) -> StepResult:
    """The messages of the project, with what belongs to them."""
    ids: list[UUID] = fetch_column(_MESSAGES, {**subject.values, "after": place or UUID(int=0)})
    counts: Counter[str] = Counter()
    values = {**subject.values, "ids": as_ids(ids)}
    for texts in MESSAGE_TEXTS if ids else ():
        counts[name_texts(texts)] += execute(texts.write(), values)
    return StepResult(place=str(ids[-1]) if len(ids) == BATCH else None, counts=counts)


# Only events of the mail that is concerned: later mail to the address is another matter.
_EVENTS = f"""
WITH page AS MATERIALIZED (
    SELECT id, position, serial FROM tracking_event
    WHERE project_id = %(project)s AND (position, serial) > (%(position)s, %(serial)s) AND message_id <= %(newest)s
    ORDER BY position, serial LIMIT {BATCH}
), written AS (
    UPDATE tracking_event e SET data = {replace_in("data", "jsonb")},
        address = CASE WHEN lower(address) = %(address)s THEN '' ELSE address END
    FROM page p WHERE e.id = p.id AND ({holds("data", "jsonb")} OR lower(address) = %(address)s) RETURNING e.id
)
SELECT position, serial, (SELECT count(*) FROM page), (SELECT count(*) FROM written) FROM page
ORDER BY position DESC, serial DESC LIMIT 1
"""


def replace_in_events(subject: Subject, place: str) -> StepResult:
    """The events of the project, also those of mail that is deleted."""
    position, _, serial = (place or f"-1{SEPARATOR}-1").partition(SEPARATOR)
    rows = fetch(_EVENTS, {**subject.values, "position": int(position), "serial": int(serial)})
    if not rows:
        return StepResult()
    ((position, serial, count, written),) = rows
    next_place = f"{position}{SEPARATOR}{serial}" if count == BATCH else None
    return StepResult(place=next_place, counts=Counter(events=written))


def replace_in_own(texts: Texts, subject: Subject, place: str) -> StepResult:
    """A table whose rows have a project and an id."""
    values = {**subject.values, "after": place or None}
    page = fetch_column(
        f"SELECT id FROM {texts.table} WHERE project_id = %(project)s"
        f"{' AND id > %(after)s' if place else ''} ORDER BY id LIMIT {BATCH}",
        values if place else subject.values,
    )
    if not page:
        return StepResult()
    rows = "project_id = %(project)s AND id >= %(first)s AND id <= %(last)s"
    count = execute(texts.write(rows), {**values, "first": page[0], "last": page[-1]})
    return StepResult(place=str(page[-1]) if len(page) == BATCH else None, counts=Counter({name_texts(texts): count}))


def replace_in_shared(subject: Subject, _place: str) -> StepResult:
    """What no project owns, and what is still to be applied."""
    counts: Counter[str] = Counter()
    for texts in SHARED_TEXTS:
        counts[name_texts(texts)] += execute(texts.write(), subject.values)
    counts["inbox"] += execute(_INBOX, subject.values)
    counts["saved_searches"] += execute(_SEARCHES, subject.values)
    counts["feedback"] += execute(_FEEDBACK, subject.values)
    return StepResult(counts=counts)


def name_texts(texts: Texts) -> str:
    """The word of the proof for rows in which the address was replaced."""
    return f"texts_{texts.table.partition('_')[2]}"


STEPS: Mapping[str, Step] = {
    "messages": replace_in_messages,
    "events": replace_in_events,
    **{f"own_{number}": partial(replace_in_own, texts) for number, texts in enumerate(OWN_TEXTS)},
    "shared": replace_in_shared,
}
