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
from webhooks.publishing import HAS_ENDPOINTS, unheard_projects

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
    SELECT array_to_string(ARRAY(
        SELECT concat(reason, '/', stream, '/', address) COLLATE "C" AS line FROM tracking_suppression
        WHERE project_id = {0}::uuid AND address = ANY(string_to_array({1}::text, E'\\n')) AND is_test = {2}::boolean
        ORDER BY line
    ), E'\\n') AS lines
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
{name} AS MATERIALIZED (
    SELECT {columns} WHERE (SELECT lines FROM listed) = {{0}}::text{conditions}
)
"""
_HAS_ENDPOINTS = HAS_ENDPOINTS.strip() % {"project": "{1}::uuid", "is_test": "{2}::boolean"}
_HAS_STREAMS = "cardinality(ARRAY(SELECT name FROM kept)) = cardinality(string_to_array({3}::text, '/'))"
_KEPT = "array_to_string(ARRAY(SELECT name FROM kept), '/')"
_END = """
SELECT EXISTS (SELECT FROM {gate}), EXISTS (SELECT FROM stored), (SELECT lines FROM listed), {kept}, {has_endpoints},
    {has_posts}, extract(epoch FROM statement_timestamp())::float8
"""


def store(
    condition: Condition, rows: NewRows, files: NewFiles | None = None, answers: Sequence[KeptAnswer] = ()
) -> Result:
    """Store the rows if the condition holds, with the answers of idempotency keys and the contents of attachments.

    Raises DataError, and has stored nothing, if one of several keys is in use.
    """
    is_heard = not unheard_projects.has(condition.project_id, is_test=condition.is_test)
    parts, end = build_parts(condition, rows, files, answers, is_heard=is_heard)
    sent_at = time.monotonic()
    is_open, is_stored, listed, kept, has_endpoints, has_posts, stated = run_parts(parts, end)
    correct_clock(stated, sent_at)
    # Without endpoints it was closed perhaps because there are some; with their part it says so if it was open.
    if is_heard == is_open:
        unheard_projects.note(condition.project_id, is_test=condition.is_test, is_unheard=is_open and not has_endpoints)
    if is_stored:
        for each in (rows.messages, rows.contents, rows.subjects, rows.recipients, rows.links, rows.attachments):
            mark_stored(each)
    return Result(
        is_stored=is_stored,
        is_key_taken=is_open and not is_stored,
        listed=read_listed(listed),
        missing_streams=sorted(set(list_streams(condition)).difference(kept.split("/"))),
        has_posts=has_posts,
    )


def build_parts(
    condition: Condition,
    rows: NewRows,
    files: NewFiles | None = None,
    answers: Sequence[KeptAnswer] = (),
    *,
    is_heard: bool,
) -> tuple[list[Part], str]:
    """All parts of the statement, and its end. `is_heard`: the project may have endpoints of webhooks."""
    project_id, streams = str(condition.project_id), "/".join(list_streams(condition))
    gate, end = shape_gate(len(answers), has_streams=bool(streams), is_heard=is_heard)
    parts: list[Part] = [
        # Addresses hold no line ends. psycopg looks at each element of a list.
        (_LISTED, [project_id, "\n".join(sorted(condition.addresses)), condition.is_test]),
        *([(_STREAMS, [project_id, streams])] if streams else []),
        (gate, [write_listed(condition.listed), project_id, condition.is_test, streams][: gate.size]),
        *(key_parts("stored", answers, "gate") if answers else []),
        *list_parts(rows, files, is_heard=is_heard),
    ]
    return parts, end


def list_streams(condition: Condition) -> list[str]:
    """The names of the streams that are rows."""
    return sorted(set(condition.streams) - {DEFAULT_STREAM})


def compose(condition: Condition, rows: NewRows) -> None:
    """Compose the texts of the statement for rows of these shapes, which are kept."""
    for is_heard in (True, False):
        parts, end = build_parts(condition, rows, is_heard=is_heard)
        write_statement(tuple([shape for shape, _ in parts]), end)


@lru_cache(maxsize=100)
def shape_gate(key_count: int, *, has_streams: bool, is_heard: bool) -> tuple[Text, str]:
    """The part with one row if the condition holds, and the end of the statement. Without keys it is `stored` itself;
    each part that is not needed makes the statement cheaper to begin.
    """
    columns = f"{lock_part_of_keys(key_count)} AS lock" if key_count else "1 AS id"
    conditions = [_HAS_STREAMS] if has_streams else []
    if is_heard:
        columns += f", {_HAS_ENDPOINTS} AS has_endpoints"
    else:
        conditions.append(f"NOT {_HAS_ENDPOINTS}")
    name = "gate" if key_count else "stored"
    end = _END.format(
        gate=name,
        kept=_KEPT if has_streams else "''",
        has_endpoints=f"(SELECT has_endpoints FROM {name})" if is_heard else "false",  # noqa: S608 - names
        has_posts="EXISTS (SELECT FROM posted)" if is_heard else "false",
    )
    text = _GATE.format(name=name, columns=columns, conditions="".join(f" AND {each}" for each in conditions))
    return Text(text, 3 + has_streams), end


def list_parts(rows: NewRows, files: NewFiles | None, *, is_heard: bool) -> Iterable[Part]:
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
    yield from event_parts(rows.facts, "stored", is_heard=is_heard)


def write_listed(listed: Listed) -> str:
    lines = [f"{reason}/{stream or ''}/{text}" for text, causes in listed.items() for reason, stream in causes]
    return "\n".join(sorted(lines))


def read_listed(lines: str) -> Listed:
    found: dict[str, list[Cause]] = defaultdict(list)
    for line in filter(None, lines.split("\n")):
        reason, stream, address = line.split("/", 2)
        found[address].append(Cause(reason, stream or None))
    return found
