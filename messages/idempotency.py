"""One key, one request: retries of an answered request get its answer again, for 24 hours.

The key's row is written in the transaction of the request's own rows, so that a crash leaves both or neither. The
unique index is the lock: who comes second waits for the first's commit, for a second at most.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.db import OperationalError, transaction
from psycopg.errors import LockNotAvailable
from psycopg.types.json import Jsonb

from common.errors import ApiError, BadRequestError, ConflictError
from ledger.sql import execute, fetch_one

KEPT_FOR = timedelta(hours=24)
WAIT_MS = 1000
MAX_LENGTH = 256


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a request is answered with, and again on each retry."""

    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)
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


def find_answer(ticket: Ticket | None) -> Answer | None:
    """The answer that this request had before, or None. Raises IdempotencyKeyReusedError for another payload."""
    if ticket is None:
        return None
    row = fetch_one(
        "SELECT fingerprint, status, headers, body FROM mail_idempotencykey"
        " WHERE project_id = %s AND key = %s AND created_at > now() - %s",
        [ticket.project_id, ticket.key, KEPT_FOR],
    )
    if row is None:
        return None
    if bytes(row[0]) != ticket.fingerprint:
        raise IdempotencyKeyReusedError
    return Answer(status=row[1], headers=json.loads(row[2]), body=json.loads(row[3]), is_replayed=True)


class _TakenError(Exception):
    """The key's row was committed by another request while this one was on its way."""


def run_once(ticket: Ticket | None, act: Callable[[], Answer]) -> Answer:
    """`act`'s answer, in one transaction with the key's row; or the answer of who came first.

    What `act` raises is not stored: a refused request may be corrected and sent again under the same key.
    """
    if ticket is None:
        with transaction.atomic():
            return act()
    try:
        with transaction.atomic():
            row = _take(ticket)
            answer = act()
            _store(row, answer)
            return answer
    except _TakenError:
        found = find_answer(ticket)
        if found is None:
            raise IdempotencyInFlightError(headers={"Retry-After": "1"}) from None
        return found
    except OperationalError as error:
        if isinstance(error.__cause__, LockNotAvailable):
            raise IdempotencyInFlightError(headers={"Retry-After": "1"}) from None
        raise


def _take(ticket: Ticket) -> int:
    execute(f"SET LOCAL lock_timeout = {WAIT_MS}")
    execute(
        "DELETE FROM mail_idempotencykey WHERE project_id = %s AND key = %s AND created_at <= now() - %s",
        [ticket.project_id, ticket.key, KEPT_FOR],
    )
    row = fetch_one(
        "INSERT INTO mail_idempotencykey (project_id, key, fingerprint, headers, created_at)"
        " VALUES (%s, %s, %s, '{}', now()) ON CONFLICT DO NOTHING RETURNING id",
        [ticket.project_id, ticket.key, ticket.fingerprint],
    )
    execute("SET LOCAL lock_timeout = 0")
    if row is None:
        raise _TakenError
    return int(row[0])


def _store(row: int, answer: Answer) -> None:
    execute(
        "UPDATE mail_idempotencykey SET status = %s, headers = %s, body = %s WHERE id = %s",
        [answer.status, Jsonb(answer.headers), Jsonb(answer.body), row],
    )


def purge() -> int:
    """Remove keys whose 24 hours are over; returns how many."""
    return execute("DELETE FROM mail_idempotencykey WHERE created_at <= now() - %s", [KEPT_FOR])
