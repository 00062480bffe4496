"""The service's side of the benchmark of accepting. Django is set up on import."""

import django

django.setup()

from django.db import connection  # noqa: E402

from accounts.scopes import EMAILS_SEND  # noqa: E402
from accounts.services import create_api_key, create_project  # noqa: E402
from bench.accept import BARE_TABLE  # noqa: E402
from providers.services import sync_shared_provider  # noqa: E402


def prepare() -> str:
    """Create a project with an unused provider, and a table for the peer; returns an API key."""
    sync_shared_provider("smtp://127.0.0.1:9?tls=never")
    with connection.cursor() as cursor:
        cursor.execute(BARE_TABLE)
    _, token = create_api_key(create_project(name="bench"), scopes=[EMAILS_SEND])
    return token


def finish() -> None:
    connection.close()
