"""Fills the queue for benchmarks. Django is set up on import, so the environment must be complete before."""

import time
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import django

django.setup()

from django.core.cache import cache  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.utils import timezone  # noqa: E402

from accounts.models import ApiKey  # noqa: E402
from accounts.scopes import ALL  # noqa: E402
from accounts.services import create_api_key, create_project  # noqa: E402
from common.addresses import parse_address  # noqa: E402
from ledger.sql import execute  # noqa: E402
from ledger.timer import TICK_KEY  # noqa: E402
from messages import services  # noqa: E402
from messages.accepting.draft import Draft  # noqa: E402
from messages.states import Lane  # noqa: E402
from messages.tasks import ring  # noqa: E402
from providers.services import sync_shared_provider  # noqa: E402

BATCH = 500
LINE = "A line of an order's confirmation, as plain as they come, in sixty-six or so.\n"


def prepare(provider_url: str) -> None:
    sync_shared_provider(provider_url)
    create_api_key(create_project(name="bench"), name="bench", scopes=ALL)


def await_worker() -> None:
    deadline = time.monotonic() + 30
    while not cache.get(TICK_KEY):
        if time.monotonic() > deadline:
            raise TimeoutError("the worker did not start")
        time.sleep(0.05)


def fill(count: int, size: int) -> None:
    """Accept `count` plain messages of about `size` bytes, which become due only through `release_messages`."""
    accept_waiting([build_plain(number, size) for number in range(count)])


def build_plain(number: int, size: int) -> Draft:
    return Draft(
        from_=parse_address("shop@bench.test"),
        to=[parse_address(f"user{number}@rcpt.test")],
        subject=f"Order {number}",
        text=(LINE * (size // len(LINE) + 1))[: size - 400],
    )


def accept_waiting(drafts: Sequence[Draft]) -> list[UUID]:
    """Accept messages that become due only through `release_messages` or `release_these`; returns their ids."""
    key = ApiKey.objects.select_related("project").get(project__name="bench")
    later = timezone.now() + timedelta(days=1)
    accepted: list[UUID] = []
    for start in range(0, len(drafts), BATCH):
        with transaction.atomic():
            ids = [message.pk for message in services.accept(key, drafts[start : start + BATCH])]
            execute("UPDATE mail_recipient SET next_attempt_at = %s WHERE message_id = ANY(%s)", [later, ids])
        accepted += ids
    execute("ANALYZE")
    return accepted


def release_these(ids: Sequence[UUID]) -> None:
    """Make these messages due now, and send a wake-up."""
    execute("UPDATE mail_recipient SET next_attempt_at = now() WHERE message_id = ANY(%s)", [list(ids)])
    ring(Lane.NORMAL)


def release_messages(count: int) -> None:
    """Make `count` of the waiting messages due now, and send a wake-up."""
    execute(
        "UPDATE mail_recipient SET next_attempt_at = now() WHERE id IN"
        " (SELECT id FROM mail_recipient WHERE next_attempt_at > now() + interval '1 hour' LIMIT %s)",
        [count],
    )
    ring(Lane.NORMAL)


def finish() -> None:
    connection.close()
