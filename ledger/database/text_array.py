"""Long texts as values of a statement, in PostgreSQL's binary form of `text[]`, which neither side looks through.

In JSON or in an array's text form each character is looked at when it is written, and again when it is read.
"""

from collections.abc import Sequence
from struct import Struct
from typing import NamedTuple

from psycopg.adapt import Dumper
from psycopg.postgres import types
from psycopg.pq import Format

# One dimension, no nulls, the type of the elements, their number, and the first one's index (`array_recv`).
HEAD = Struct("!iiIii")
SIZE = Struct("!i")
TEXT = types["text"]


class TextArray(NamedTuple):
    """A value of the type `text[]`, as it is sent."""

    content: bytes


class TextArrayDumper(Dumper):
    """Sends it. Each connection knows it (`ledger.database.base`)."""

    oid = TEXT.array_oid
    format = Format.BINARY

    def dump(self, obj: TextArray) -> bytes:
        return obj.content


def write_texts(texts: Sequence[str]) -> TextArray:
    parts = [HEAD.pack(1, 0, TEXT.oid, len(texts), 1)]
    for text in texts:
        content = text.encode()
        parts += (SIZE.pack(len(content)), content)
    return TextArray(b"".join(parts))
