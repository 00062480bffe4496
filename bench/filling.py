"""Fills the queue for benchmarks. Django is set up on import, so the environment must be complete before."""

import time
from datetime import timedelta

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
    key = ApiKey.objects.select_related("project").get()
    text = (LINE * (size // len(LINE) + 1))[: size - 400]
    later = timezone.now() + timedelta(days=1)
    for start in range(0, count, BATCH):
        drafts = [
            Draft(
                from_=parse_address("shop@bench.test"),
                to=[parse_address(f"user{number}@rcpt.test")],
                subject=f"Order {number}",
                text=text,
            )
            for number in range(start, min(start + BATCH, count))
        ]
        with transaction.atomic():
            messages = services.accept(key, drafts)
            ids = [message.pk for message in messages]
            execute("UPDATE mail_recipient SET next_attempt_at = %s WHERE message_id = ANY(%s)", [later, ids])
    execute("ANALYZE")


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
