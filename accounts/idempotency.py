"""One key, one request: retries of an answered request get its answer again, for 24 hours.

The key's row is written in the transaction of the request's own rows, so that a crash leaves both or neither. The
unique index is the lock: whoever comes second waits for the first's commit, for a second at most. A request that talks
to the network cannot do so inside a transaction: its key is committed first, under a lease, and the answer later.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.db import OperationalError, transaction
from psycopg.errors import LockNotAvailable
from rest_framework.utils.encoders import JSONEncoder

from accounts.models import IdempotencyKey
from common.errors import ApiError, BadRequestError, ConflictError
from common.fields import decrypt, encrypt
from ledger.sql import execute, fetch_one

KEPT_FOR = timedelta(hours=24)
# A request that has not ended after this has died; its retry is worked on anew.
LEASE_TIME = timedelta(seconds=60)
WAIT_MS = 1000
POLL_SECONDS = 0.05
MAX_LENGTH = 256
TABLE = IdempotencyKey._meta.db_table


class IdempotencyKeyInvalidError(BadRequestError):
    """The Idempotency-Key must be 1 to 256 printable ASCII characters, quoted or not."""

    code = "idempotency_key_invalid"


class IdempotencyKeyReusedError(ApiError):
    """This Idempotency-Key was used within the last 24 hours for a request with another payload."""

    code = "idempotency_key_reused"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class IdempotencyInFlightError(ConflictError):
    """A request with this Idempotency-Key is being worked on; try again in a second."""

    code = "idempotency_in_flight"

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredResponse:
    """What a request is answered with, and again on each retry. With `is_secret` the body is kept encrypted."""

    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)
    is_secret: bool = False
    is_replayed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """A request's key and what it asks for."""

    project_id: UUID
    key: str
    fingerprint: bytes


def read_key(header: str | None) -> str:
    """The key in an Idempotency-Key header, without its quotes; "" when there is no header."""
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

    `path` is without a slash at its end, and with the query string where there is one.
    """
    canonical = json.dumps(payload, sort_keys=True, separators=(",", ":"))
    return sha256(f"{method}\n{path}\n{canonical}".encode()).digest()


def find_response(ticket: Ticket | None) -> StoredResponse | None:
    """The answer that this request had before, or None. Raises IdempotencyKeyReusedError for another payload."""
    if ticket is None:
        return None
    row = fetch_one(
        f"SELECT fingerprint, status, headers, body, secret_body FROM {TABLE}"  # noqa: S608 - the table's name
        " WHERE project_id = %s AND key = %s AND created_at > now() - %s AND (status > 0 OR lease_until > now())",
        [ticket.project_id, ticket.key, KEPT_FOR],
    )
    if row is None:
        return None
    used_for, status, headers, body, secret_body = row
    if bytes(used_for) != ticket.fingerprint:
        raise IdempotencyKeyReusedError
    if status is None:
        return None
    text = body if secret_body is None else decrypt(secret_body)
    return StoredResponse(
        status=status,
        headers=json.loads(headers),
        body=json.loads(text),
        is_secret=secret_body is not None,
        is_replayed=True,
    )


class _TakenError(Exception):
    """The key's row was committed by another request while this one was on its way."""


def run_once(ticket: Ticket | None, act: Callable[[], StoredResponse]) -> StoredResponse:
    """`act`'s answer, in one transaction with the key's row; or the answer of who came first.

    `act` may not talk to the network. What it raises is not stored: a refused request may be corrected and sent again
    under the same key.
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
    """`act`'s answer, its key committed before under a lease; or the answer of who came first.

    For what talks to the network. Others with the key are answered by 409 meanwhile; when this process dies, they may
    take the key over once the lease has ended. What `act` raises is not stored.
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
    # Nothing is found where the lease has ended meanwhile and another request has the key.
    _store(row, response)
    return response


def _in_flight_or(error: OperationalError) -> Exception:
    return IdempotencyInFlightError() if isinstance(error.__cause__, LockNotAvailable) else error


def _wait_for_response(ticket: Ticket) -> StoredResponse:
    """What is stored for the ticket, at once or within a second."""
    deadline = time.monotonic() + WAIT_MS / 1000
    while (found := find_response(ticket)) is None:
        if time.monotonic() >= deadline:
            raise IdempotencyInFlightError
        time.sleep(POLL_SECONDS)
    return found


def _take(ticket: Ticket, lease: timedelta | None = None) -> int:
    """The id of the key's new row. `_TakenError` when there is one that has not aged."""
    execute(f"SET LOCAL lock_timeout = {WAIT_MS}")
    execute(
        f"DELETE FROM {TABLE} WHERE project_id = %s AND key = %s"  # noqa: S608 - the table's name
        " AND (created_at <= now() - %s OR (status IS NULL AND lease_until <= now()))",
        [ticket.project_id, ticket.key, KEPT_FOR],
    )
    row = fetch_one(
        f"INSERT INTO {TABLE} (project_id, key, fingerprint, headers, created_at, lease_until)"  # noqa: S608 - as above
        " VALUES (%s, %s, %s, '{}', now(), now() + %s::interval) ON CONFLICT DO NOTHING RETURNING id",
        [ticket.project_id, ticket.key, ticket.fingerprint, lease],
    )
    execute("SET LOCAL lock_timeout = 0")
    if row is None:
        raise _TakenError
    return int(row[0])


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
    """Remove keys whose 24 hours are over; returns how many."""
    return execute(f"DELETE FROM {TABLE} WHERE created_at <= now() - %s", [KEPT_FOR])  # noqa: S608 - the table's name
