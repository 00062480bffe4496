"""The one statement that stores accepted emails. It is a transaction by itself, and takes one round trip.

The rows are made before, for the entries of the suppression list that are expected: none at first. The statement looks
at the list, and stores nothing if it has others; then the rows are made again. So an address is looked up in the
statement that stores it, and hardly any email takes two.
"""

import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from uuid import UUID

from accounts.idempotency import KeptAnswer, key_parts, lock_part_of_keys
from accounts.streams import DEFAULT_STREAM
from ledger.clock import correct_clock
from ledger.rows import Part, Text, insert_part, mark_stored, run_parts, write_statement
from messages.attachments import NewFiles, file_parts
from messages.models import Attachment, Content, Message, Recipient, Subject
from tracking.models import TrackedLinks
from tracking.new_events import NewFact, event_parts
from tracking.suppressions.reach import Cause

# Entries of the list by lower-case address.
Listed = Mapping[str, Sequence[Cause]]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRows:
    """Everything that one call stores. A further table of a message is a field here and a line in `list_parts`."""

    messages: Sequence[Message]
    contents: Sequence[Content]
    subjects: Sequence[Subject]
    recipients: Sequence[Recipient]
    links: Sequence[TrackedLinks]
    facts: Sequence[NewFact]
    attachments: Sequence[Attachment] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What has to hold for the rows to be stored: these entries of the suppression list, and no others, for these
    addresses, in the forms that the list has; and the streams exist. Test mail has a list of its own.
    """

    project_id: UUID
    is_test: bool = False
    addresses: Collection[str]
    streams: Collection[str]
    listed: Listed = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Whether the rows were stored. If not: the entries of the list now, the streams that do not exist, or that the
    idempotency key has been used.
    """

    is_stored: bool
    is_key_taken: bool
    listed: Listed
    missing_streams: Sequence[str]
    has_posts: bool


LONG_TEXTS = ("html", "text")
# An entry as a line: reason/stream/address. A reason and a stream's name hold no slash.
_LISTED = Text(
    """
listed AS MATERIALIZED (
    SELECT COALESCE(string_agg(line, E'\\n' ORDER BY line COLLATE "C"), '') AS lines FROM (
        SELECT concat(reason, '/', stream, '/', address) AS line FROM tracking_suppression
        WHERE project_id = {0}::uuid AND address = ANY(string_to_array({1}::text, E'\\n')) AND is_test = {2}::boolean
    ) AS entries
)
""",
    3,
)
# KEY SHARE: emails do not wait for each other, and the deletion of a stream waits for them.
_STREAMS = Text(
    """
kept AS MATERIALIZED (
    SELECT name FROM accounts_stream
    WHERE project_id = {0}::uuid AND name = ANY(string_to_array({1}::text, '/')) FOR KEY SHARE
)
""",
    2,
)
_GATE = """
gate AS MATERIALIZED (
    SELECT LOCK AS lock WHERE (SELECT lines FROM listed) = {0}::text
    AND (SELECT count(*) FROM kept) = cardinality(string_to_array({1}::text, '/'))
)
"""
_OPEN = Text("stored AS MATERIALIZED (SELECT 1 AS id FROM gate)")
_END = """
SELECT (SELECT count(*) FROM gate), (SELECT count(*) FROM stored), (SELECT lines FROM listed),
    (SELECT COALESCE(string_agg(name, '/'), '') FROM kept), (SELECT count(*) FROM posted),
    extract(epoch FROM statement_timestamp())::float8
"""


def store(
    condition: Condition, rows: NewRows, files: NewFiles | None = None, answers: Sequence[KeptAnswer] = ()
) -> Result:
    """Store the rows if the condition holds, with the answers of idempotency keys and the contents of attachments.

    Raises DataError, and has stored nothing, if one of several keys is in use.
    """
    streams = name_streams(condition)
    parts = build_parts(condition, rows, files, answers)
    sent_at = time.monotonic()
    is_open, is_stored, listed, kept, post_count, stated = run_parts(parts, _END)
    correct_clock(stated, sent_at)
    if is_stored:
        for each in (rows.messages, rows.contents, rows.subjects, rows.recipients, rows.links, rows.attachments):
            mark_stored(each)
    return Result(
        is_stored=bool(is_stored),
        is_key_taken=bool(is_open and not is_stored),
        listed=read_listed(listed),
        missing_streams=sorted(set(streams.split("/")).difference(kept.split("/"))),
        has_posts=bool(post_count),
    )


def build_parts(
    condition: Condition, rows: NewRows, files: NewFiles | None = None, answers: Sequence[KeptAnswer] = ()
) -> list[Part]:
    """All parts of the statement."""
    streams, project_id = name_streams(condition), str(condition.project_id)
    return [
        # Addresses hold no line ends. psycopg looks at each element of a list.
        (_LISTED, [project_id, "\n".join(sorted(condition.addresses)), condition.is_test]),
        (_STREAMS, [project_id, streams]),
        (shape_gate(len(answers)), [write_listed(condition.listed), streams]),
        *(key_parts("stored", answers, "gate") if answers else [(_OPEN, [])]),
        *list_parts(rows, files),
    ]


def name_streams(condition: Condition) -> str:
    """The names of the streams that are rows."""
    return "/".join(sorted(set(condition.streams) - {DEFAULT_STREAM}))


def compose(condition: Condition, rows: NewRows) -> None:
    """Compose the text of the statement for rows of these shapes, which is kept."""
    write_statement(tuple([shape for shape, _ in build_parts(condition, rows)]), _END)


@lru_cache(maxsize=100)
def shape_gate(key_count: int) -> Text:
    return Text(_GATE.replace("LOCK", lock_part_of_keys(key_count) if key_count else "1"), 2)


def list_parts(rows: NewRows, files: NewFiles | None) -> Iterable[Part]:
    for name, table in (
        ("messages", rows.messages),
        ("subjects", rows.subjects),
        ("recipients", rows.recipients),
        ("links", rows.links),
    ):
        if table:
            yield insert_part(name, table, "stored")
    if rows.contents:
        yield insert_part("bodies", rows.contents, "stored", LONG_TEXTS)
    if files:
        yield from file_parts(files, rows.attachments, "stored")
    yield from event_parts(rows.facts, "stored")


def write_listed(listed: Listed) -> str:
    lines = [f"{reason}/{stream or ''}/{text}" for text, causes in listed.items() for reason, stream in causes]
    return "\n".join(sorted(lines))


def read_listed(lines: str) -> Listed:
    found: dict[str, list[Cause]] = defaultdict(list)
    for line in filter(None, lines.split("\n")):
        reason, stream, address = line.split("/", 2)
        found[address].append(Cause(reason, stream or None))
    return found
