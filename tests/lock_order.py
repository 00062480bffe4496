"""Records the row locks of each transaction, and what breaks the one order of locks (docs/decisions/0205).

A lock is an explicit `FOR UPDATE`, an UPDATE or a DELETE of a table in ORDER, or an INSERT that looks at conflicts: it
waits for another with the same key. The first lock of a table must not come after one of a later table. A lock that
skips locked rows waits for nobody: it counts as held, and is not judged.
"""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import psycopg
import pytest
from django.db import connection

from ledger import rows

ORDER = (
    "accounts_project",
    "mail_message",
    "mail_recipient",
    "tracking_suppression",
    "webhooks_endpoint",
    "webhooks_webhookdelivery",
)
RANKS = {table: rank for rank, table in enumerate(ORDER)}
PROJECT = ORDER[0]
CHANGE = "CHANGE"
DELETION = "DELETION"
WHOLE = "UPDATE"
_NAME = r'"?(\w+)"?'
_ONLY = r"(?:ONLY\s+)?"
_LOCK = re.compile(
    r"\bFOR\s+(?P<strength>NO\s+KEY\s+UPDATE|UPDATE|SHARE|KEY\s+SHARE)\b"
    r'(?:\s+OF\s+(?P<of>"?\w+"?(?:\s*,\s*"?\w+"?)*))?(?P<skips>\s+(?:SKIP\s+LOCKED|NOWAIT))?'
    rf'|(?<!FOR\s)(?<!KEY\s)(?<!DO\s)\bUPDATE\s+{_ONLY}"?(?P<updated>\w+)'
    rf'|\bDELETE\s+FROM\s+{_ONLY}"?(?P<deleted>\w+)'
    r'|\bINSERT\s+INTO\s+"?(?P<inserted>\w+)(?=(?:(?!\bINSERT\b).)*\bON\s+CONFLICT\b)',
    re.IGNORECASE | re.DOTALL,
)
_SOURCE = re.compile(rf"(?:\bFROM|\bJOIN|,)\s+{_ONLY}{_NAME}(?:\s+(?:AS\s+)?{_NAME})?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock of rows of one table."""

    table: str
    strength: str
    waits: bool = True


class Held(threading.local):
    """What the transaction of a thread has locked so far: a table's first statement."""

    def __init__(self) -> None:
        self.tables: dict[str, str] = {}
        # A lock of a whole project, which only its deletion takes.
        self.whole_project = ""


class Transactions:
    """The locks of the transactions that run, one in each thread, and the breaches of all so far."""

    def __init__(self) -> None:
        self.breaches: list[str] = []
        self._held = Held()

    def begin(self) -> None:
        """The thread's transaction has ended, and the next begins."""
        held = self._held
        if held.whole_project:
            self.breaches.append(f"a project FOR UPDATE holds up all that is written for it: {held.whole_project}")
        held.whole_project = ""
        held.tables.clear()

    def take_breaches(self) -> list[str]:
        """The breaches since the last call."""
        self.begin()
        found, self.breaches = self.breaches, []
        return found

    def note(self, statement: str) -> None:
        """Judge the locks of `statement` after those that the transaction holds."""
        held = self._held
        for lock in find_locks(statement):
            if lock.table == PROJECT and lock.strength in (WHOLE, DELETION):
                held.whole_project = statement if lock.strength == WHOLE else ""
            later = [table for table in held.tables if RANKS[table] > RANKS[lock.table]]
            if later and lock.waits and lock.table not in held.tables:
                self.breaches.append(f"{lock.table} after {later[0]}: {statement}\n  (held by {held.tables[later[0]]})")
            held.tables.setdefault(lock.table, statement)


@lru_cache(maxsize=4096)
def find_locks(statement: str) -> tuple[Lock, ...]:
    """The locks of a statement in the order of its text. KEY SHARE, which waits only for deletions, is none."""
    found: list[Lock] = []
    for match in _LOCK.finditer(statement):
        if strength := match["strength"]:
            strength = " ".join(strength.upper().split())
            if not strength.endswith("SHARE"):
                tables = find_locked_tables(statement[: match.start()], match["of"] or "")
                found += [Lock(table, strength, waits=not match["skips"]) for table in tables]
        elif deleted := match["deleted"]:
            found.append(Lock(deleted, DELETION))
        else:
            found.append(Lock(match["updated"] or match["inserted"], CHANGE))
    return tuple(lock for lock in found if lock.table in RANKS)


def find_locked_tables(before: str, of: str) -> list[str]:
    """The tables of the SELECT that ends with `before`: all, or those that `of` names or whose alias it names."""
    names = re.findall(r"\w+", of)
    sources = [(match[1], match[2]) for match in _SOURCE.finditer(cut_select(before))]
    return [table for table, alias in sources if not names or table in names or alias in names]


def cut_select(before: str) -> str:
    """The part of `before` in the innermost open parenthesis, without its own parentheses."""
    depth, kept = 0, []
    for letter in reversed(before):
        depth += (letter == ")") - (letter == "(")
        if depth < 0:
            break
        if depth == 0:
            kept.append(letter)
    return "".join(reversed(kept))


@contextmanager
def recorded_locks() -> Iterator[Transactions]:
    """Record this process's statements on Django's connection.

    In a test that is itself one transaction, each outermost `atomic` within it is taken for a transaction.
    """
    transactions = Transactions()
    execute = psycopg.Cursor.execute

    send_raw = rows.fetch_raw

    def note_text(text: object) -> None:
        if all(block._from_testcase for block in connection.atomic_blocks):
            transactions.begin()
        transactions.note(text.decode() if isinstance(text, bytes) else str(text))

    def note_raw(query: bytes, *values: Any) -> tuple[object, ...]:
        note_text(query)
        return send_raw(query, *values)

    def note(cursor: "psycopg.Cursor[object]", query: object, *args: object, **kwargs: object) -> object:
        if cursor.connection is connection.connection:
            note_text(query.as_string(cursor) if isinstance(query, psycopg.sql.Composable) else query)
        return execute(cursor, query, *args, **kwargs)  # type: ignore[arg-type]

    def end_with(name: str) -> Callable[["psycopg.Connection[object]"], None]:
        end: Callable[[psycopg.Connection[object]], None] = getattr(psycopg.Connection, name)

        def note_end(line: "psycopg.Connection[object]") -> None:
            end(line)
            if line is connection.connection:
                transactions.begin()

        return note_end

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(psycopg.Cursor, "execute", note)
        patch.setattr(rows, "fetch_raw", note_raw)
        for name in ("commit", "rollback"):
            patch.setattr(psycopg.Connection, name, end_with(name))
        yield transactions
    transactions.begin()
