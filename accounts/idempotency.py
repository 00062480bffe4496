"""Idempotency keys: a retry of an answered request gets the same response, for 24 hours.

The key's row is written in the transaction of the request's own rows, so that a crash leaves both or neither. The
unique index is the lock: a second request waits for the first one's commit, at most one second. A request that talks
to the network cannot do so inside a transaction: its key is committed first, under a lease, and its response later.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from http import HTTPStatus
from operator import itemgetter
from typing import Any
from uuid import UUID

from django.db import OperationalError, transaction
from msgspec import Raw
from rest_framework.utils.encoders import JSONEncoder

from accounts.models import IdempotencyKey
from common.errors import ApiError, BadRequestError, ConflictError
from common.fields import decrypt, encrypt
from common.large_json.spooled import SpooledText
from ledger.limits import is_lock_timeout, lock_limit
from ledger.rows import Part, Text, write_rows
from ledger.sql import execute, fetch_one_as, fetch_value

KEPT_FOR = timedelta(hours=24)
# A request that has not ended by then has died; its retry runs again.
LEASE_TIME = timedelta(seconds=60)
WAIT_MS = 1000
POLL_SECONDS = 0.05
MAX_LENGTH = 256
TABLE = IdempotencyKey._meta.db_table


class IdempotencyKeyInvalidError(BadRequestError):
    """The Idempotency-Key must be 1 to 256 printable ASCII characters, quoted or not."""

    code = "idempotency_key_invalid"


class IdempotencyKeyReusedError(ApiError):
    """This Idempotency-Key was used within the last 24 hours for a different request."""

    code = "idempotency_key_reused"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class IdempotencyInFlightError(ConflictError):
    """A request with this Idempotency-Key is still being processed; try again in a second."""

    code = "idempotency_in_flight"

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredResponse:
    """The stored response to a request, returned again on each retry. With `is_secret` the body is stored encrypted."""

    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)
    is_secret: bool = False
    is_replayed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """A request's key and fingerprint. Those of live and of test API keys are apart; `project_id` is None for a request
    of an installation's key.
    """

    project_id: UUID | None
    key: str
    fingerprint: bytes
    is_test: bool = False

    @property
    def condition(self) -> str:
        """The SQL condition for the row, with `identity` as parameters. Each form has an index."""
        owner = "project_id = %s" if self.project_id else "%s::uuid IS NULL AND project_id IS NULL"
        return f"{owner} AND key = %s AND is_test = %s"

    @property
    def identity(self) -> tuple[UUID | None, str, bool]:
        return self.project_id, self.key, self.is_test


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRow:
    """What a key was used for, and the answer: `status` is None while it is being made; the rest is JSON."""

    fingerprint: bytes
    status: int | None
    headers: str
    body: str
    secret_body: str | None


def read_key(header: str | None) -> str:
    """The key in an Idempotency-Key header, without its quotes; "" if there is no header."""
    if header is None:
        return ""
    key = header.strip()
    if len(key) >= 2 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not 1 <= len(key) <= MAX_LENGTH or not all(" " <= char <= "~" for char in key):
        raise IdempotencyKeyInvalidError
    return key


def fingerprint(method: str, path: str, payload: object) -> bytes:
    """SHA-256 of method, path and the parsed JSON in canonical form: key order and white space do not matter.

    `path` has no trailing slash, and includes the query string, if any.
    """
    canonical = json.dumps(payload, sort_keys=True, separators=(",", ":"))
    digest, place = sha256(f"{method}\n{path}\n".encode()), 0
    for text in list_spooled(payload):
        start = canonical.index(text, place)
        digest.update(canonical[place:start].encode())
        for piece in text.pieces_as_json():
            digest.update(piece)
        place = start + len(text)
    digest.update(canonical[place:].encode())
    return digest.digest()


def list_spooled(value: object) -> Iterator[SpooledText]:
    """The long strings that are not in memory, in the order of the canonical form."""
    if isinstance(value, SpooledText):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from list_spooled(item)
    elif isinstance(value, dict):
        for _, item in sorted(value.items(), key=itemgetter(0)):
            yield from list_spooled(item)


def find_response(ticket: Ticket | None) -> StoredResponse | None:
    """The stored response to this request, or None. Raises IdempotencyKeyReusedError for a different payload."""
    if ticket is None:
        return None
    row = fetch_one_as(
        KeyRow,
        f"SELECT fingerprint, status, headers, body, secret_body FROM {TABLE}"  # noqa: S608 - the table's name
        f" WHERE {ticket.condition} AND created_at > now() - %s AND (status > 0 OR lease_until > now())",
        [*ticket.identity, KEPT_FOR],
    )
    if row is None:
        return None
    if bytes(row.fingerprint) != ticket.fingerprint:
        raise IdempotencyKeyReusedError
    if row.status is None:
        return None
    text = row.body if row.secret_body is None else decrypt(row.secret_body)
    return StoredResponse(
        status=row.status,
        headers=json.loads(row.headers),
        body=json.loads(text),
        is_secret=row.secret_body is not None,
        is_replayed=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAnswer:
    """The response to a request with a key, to be stored with the rows that it is about."""

    ticket: Ticket
    response: StoredResponse


_COLUMNS = "project_id uuid, key text, is_test boolean, fingerprint bytea, status smallint, headers jsonb, body jsonb"
# The rows of keys that are free, or whose time or lease has ended; none for a key in use.
_KEEP = f"""
keys_kept AS (
    INSERT INTO {TABLE} AS old (project_id, key, is_test, fingerprint, status, headers, body, created_at)
    SELECT v.project_id, v.key, v.is_test, v.fingerprint, v.status, v.headers, COALESCE(v.body, 'null'::jsonb), now()
    FROM SOURCE, ROWS WHERE lock IS NOT NULL
    ON CONFLICT (project_id, key, is_test) DO UPDATE SET
        fingerprint = EXCLUDED.fingerprint, status = EXCLUDED.status, headers = EXCLUDED.headers, body = EXCLUDED.body,
        secret_body = NULL, created_at = EXCLUDED.created_at, lease_until = NULL
    WHERE old.created_at <= now() - interval '{KEPT_FOR.total_seconds():.0f} seconds'
        OR (old.status IS NULL AND old.lease_until <= now())
    RETURNING id
)
"""  # noqa: S608 - the table's name
# One row if the key is kept; of several keys all are, or the statement ends with an error and leaves nothing.
_KEPT = {False: "SELECT id FROM keys_kept", True: "SELECT 1 / (count(*) = {0}::integer)::integer AS id FROM keys_kept"}
# A statement that stores for several requests waits no longer for the key of one of them.
SHARED_WAIT_MS = 50


def lock_part_of_keys(count: int) -> str:
    """The column `lock` of the source of `key_parts`: a wait for another request with a key is short."""
    return f"set_config('lock_timeout', '{WAIT_MS if count == 1 else SHARED_WAIT_MS}', true)"


def key_parts(name: str, answers: Sequence[KeptAnswer], source: str) -> list[Part]:
    """Parts of a statement that stores the rows of requests with different keys, if `source` has a row.

    Part `name` is one row if the keys are free, and keeps their answers. If they are not, the one key's is empty, and
    several end the statement with the error "division by zero".
    """
    rows = [
        {
            "project_id": answer.ticket.project_id,
            "key": answer.ticket.key,
            "is_test": answer.ticket.is_test,
            "fingerprint": "\\x" + answer.ticket.fingerprint.hex(),
            "status": answer.response.status,
            "headers": answer.response.headers,
            "body": Raw(json.dumps(answer.response.body, cls=JSONEncoder)),
        }
        for answer in answers
    ]
    is_many = len(answers) > 1
    kept = Text(f"{name} AS MATERIALIZED ({_KEPT[is_many]})", int(is_many))
    shape = write_rows(_KEEP.replace("SOURCE", source), _COLUMNS)
    return [shape.build_part(rows), (kept, [len(answers)] if is_many else [])]


class KeyTakenError(Exception):
    """The key was used by another request before."""


def store_once(ticket: Ticket | None, store: Callable[[Ticket | None], StoredResponse]) -> StoredResponse:
    """The response of `store`, which stores it by `key_parts`; or the stored response of an earlier request.

    `store` raises KeyTakenError if its statement wrote nothing because of the key.
    """
    try:
        return store(ticket)
    except KeyTakenError:
        assert ticket is not None
        return _wait_for_response(ticket)
    except OperationalError as error:
        raise _in_flight_or(error) if ticket else error from None


class _TakenError(Exception):
    """Another request committed the key's row while this one was in progress."""


def run_once(ticket: Ticket | None, act: Callable[[], StoredResponse]) -> StoredResponse:
    """The response of `act`, in one transaction with the key's row; or the stored response of an earlier request.

    `act` may not talk to the network. Errors that it raises are not stored: a rejected request may be corrected and
    sent again with the same key.
    """
    if ticket is None:
        with transaction.atomic():
            return act()
    try:
        with transaction.atomic():
            row = _take(ticket)
            response = act()
            _store(row, response)
            return response
    except _TakenError:
        return _wait_for_response(ticket)
    except OperationalError as error:
        raise _in_flight_or(error) from None


def run_leased(ticket: Ticket | None, act: Callable[[], StoredResponse]) -> StoredResponse:
    """The response of `act`, with its key committed before under a lease; or the stored response of an earlier request.

    For requests that talk to the network. Other requests with the key get 409 meanwhile; if this process dies, they may
    take over the key once the lease has ended. Errors that `act` raises are not stored.
    """
    if ticket is None:
        return act()
    try:
        with transaction.atomic():
            row = _take(ticket, lease=LEASE_TIME)
    except _TakenError:
        return _wait_for_response(ticket)
    except OperationalError as error:
        raise _in_flight_or(error) from None
    try:
        response = act()
    except BaseException:
        execute(f"DELETE FROM {TABLE} WHERE id = %s", [row])  # noqa: S608 - the table's name
        raise
    # No row matches if the lease has ended meanwhile and another request has the key.
    _store(row, response)
    return response


def _in_flight_or(error: OperationalError) -> Exception:
    return IdempotencyInFlightError() if is_lock_timeout(error) else error


def _wait_for_response(ticket: Ticket) -> StoredResponse:
    """The stored response for the ticket, available at once or within a second."""
    deadline = time.monotonic() + WAIT_MS / 1000
    while (found := find_response(ticket)) is None:
        if time.monotonic() >= deadline:
            raise IdempotencyInFlightError
        time.sleep(POLL_SECONDS)
    return found


def _take(ticket: Ticket, lease: timedelta | None = None) -> int:
    """The id of the key's new row. Raises `_TakenError` if a current row exists."""
    with lock_limit(WAIT_MS):
        execute(
            f"DELETE FROM {TABLE} WHERE {ticket.condition}"  # noqa: S608 - constants
            " AND (created_at <= now() - %s OR (status IS NULL AND lease_until <= now()))",
            [*ticket.identity, KEPT_FOR],
        )
        row_id = fetch_value(
            f"INSERT INTO {TABLE} (project_id, key, is_test, fingerprint, headers, created_at, lease_until)"  # noqa: S608
            " VALUES (%s, %s, %s, %s, '{}', now(), now() + %s::interval) ON CONFLICT DO NOTHING RETURNING id",
            [*ticket.identity, ticket.fingerprint, lease],
        )
    if row_id is None:
        raise _TakenError
    return int(row_id)


def _store(row: int, response: StoredResponse) -> None:
    body = json.dumps(response.body, cls=JSONEncoder)
    execute(
        f"UPDATE {TABLE} SET status = %s, headers = %s::jsonb, body = %s::jsonb, secret_body = %s WHERE id = %s",  # noqa: S608 - the table's name
        [
            response.status,
            json.dumps(response.headers),
            None if response.is_secret else body,
            encrypt(body) if response.is_secret else None,
            row,
        ],
    )


def purge_keys() -> int:
    """Delete keys older than 24 hours; returns their number."""
    return execute(f"DELETE FROM {TABLE} WHERE created_at <= now() - %s", [KEPT_FOR])  # noqa: S608 - the table's name
