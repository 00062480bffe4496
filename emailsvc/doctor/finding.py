"""What a check of the doctor has found: its status, and what to do about it."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum

import redis
from django.db import Error as DatabaseError
from django.db import connection


class Health(StrEnum):
    OK = "ok"
    WARNING = "warning"  # works, and needs a person
    FAILED = "failed"  # mail is not accepted or does not go out


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`mend` says in one sentence what helps; empty when all is well."""

    check: str
    status: Health
    detail: str
    mend: str = ""

    def describe(self) -> dict[str, str]:
        return asdict(self)


Examination = Callable[[], Iterator[Finding]]


def fine(check: str, detail: str) -> Finding:
    return Finding(check=check, status=Health.OK, detail=detail)


def warn(check: str, detail: str, mend: str) -> Finding:
    return Finding(check=check, status=Health.WARNING, detail=detail, mend=mend)


def failure(check: str, detail: str, mend: str) -> Finding:
    return Finding(check=check, status=Health.FAILED, detail=detail, mend=mend)


def examine(name: str, examination: Examination) -> Iterator[Finding]:
    """The findings of an examination. A server that is away in its middle is a finding too."""
    try:
        yield from examination()
    except DatabaseError as error:
        connection.close()
        detail = f"PostgreSQL does not answer the question ({type(error).__name__})"
        yield failure(name, detail, "Start PostgreSQL, or correct DATABASE_URL and the rights of its role.")
    except redis.RedisError as error:
        yield warn(name, f"Redis does not answer ({type(error).__name__})", "Start Redis, or correct REDIS_URL.")
