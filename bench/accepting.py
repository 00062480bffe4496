"""The service's side of the benchmark of accepting. Django is set up on import."""

import os
import time
from collections.abc import Callable

import django

django.setup()

import psycopg  # noqa: E402
from django.db import connection  # noqa: E402

from accounts.scopes import EMAILS_SEND  # noqa: E402
from accounts.services import create_api_key, create_project  # noqa: E402
from common.ids import new_id  # noqa: E402
from providers.services import sync_shared_provider  # noqa: E402


def prepare() -> str:
    """Create a project with an unused provider, and a table for the peer; returns an API key."""
    sync_shared_provider("smtp://127.0.0.1:9?tls=never")
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE bench_bare (id uuid PRIMARY KEY, body text NOT NULL, at timestamptz DEFAULT now())"
        )
    _, token = create_api_key(create_project(name="bench"), scopes=[EMAILS_SEND])
    return token


def inserting(size: int) -> Callable[[float], list[float]]:
    """A connection of its own that inserts a row and commits, in a loop."""
    line = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
    body = "x" * size

    def insert(until: float) -> list[float]:
        took = []
        while (begun_at := time.perf_counter()) < until:
            line.execute("INSERT INTO bench_bare (id, body) VALUES (%s, %s)", [new_id(), body])
            took.append(time.perf_counter() - begun_at)
        return took

    return insert


def finish() -> None:
    connection.close()
