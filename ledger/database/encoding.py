"""Values in PostgreSQL's own form, for statements that name their types (`$1::uuid`).

psycopg looks up how to convert each value. What is known of a column is known before.
"""

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec
from psycopg.pq import Format

from ledger.database.text_array import write_texts


class Encoded(NamedTuple):
    """Values as they are sent, None for NULL, and the format of each."""

    contents: Sequence[bytes | None]
    formats: Sequence[int]


class Encoder(NamedTuple):
    """The form of a type's values. A value is never None."""

    encode: Callable[[Any], bytes]
    format: int


def _write_texts(texts: Sequence[str]) -> bytes:
    return write_texts(texts).content


def _write_number(number: int) -> bytes:
    return b"%d" % number


def _write_numbers(numbers: Sequence[int]) -> bytes:
    return f"{{{','.join(map(str, numbers))}}}".encode()


def _write_time(time: Any) -> bytes:
    return str(time.isoformat()).encode()


_TEXT, _BINARY = int(Format.TEXT), int(Format.BINARY)
# By the type's name. libpq takes the text form up to the first NUL: texts go in the binary form, which has a length, so
# that PostgreSQL sees the NUL and refuses it.
ENCODERS = {
    "bytea": Encoder(str.encode, _TEXT),  # as in JSON: \x and hexadecimal digits
    "boolean": Encoder({False: b"f", True: b"t"}.__getitem__, _TEXT),
    "integer": Encoder(_write_number, _TEXT),
    "integer[]": Encoder(_write_numbers, _TEXT),
    "jsonb": Encoder(msgspec.json.encode, _TEXT),
    "smallint": Encoder(_write_number, _TEXT),
    "text": Encoder(str.encode, _BINARY),
    "text[]": Encoder(_write_texts, _BINARY),
    "timestamp with time zone": Encoder(_write_time, _TEXT),
    "uuid": Encoder(attrgetter("bytes"), _BINARY),
}
