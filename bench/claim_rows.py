"""A queue with a backlog of one project beside the mail of another. Django is set up on import."""

from collections.abc import Mapping
from datetime import timedelta
from time import perf_counter
from typing import Any

import django

django.setup()

from django.db import connection, transaction  # noqa: E402

from accounts.services import create_project  # noqa: E402
from bench.listing_rows import name_of_scan  # noqa: E402
from messages.sending.claims import ClaimScope, LaneQueue, claim_recipients  # noqa: E402
from messages.sending.queue.heads import TURN_HEADS, describe_turns  # noqa: E402
from messages.sending.queue.turns import Tenant  # noqa: E402
from messages.states import Lane  # noqa: E402

BATCH = 100
# Ids are in the order of time, as the real ones (UUIDv7). The claim reads recipients only, so they need no messages.
FREE = "ALTER TABLE mail_recipient DROP CONSTRAINT IF EXISTS {name}"
FOREIGN_KEYS = "SELECT conname FROM pg_constraint WHERE conrelid = 'mail_recipient'::regclass AND contype = 'f'"
RECIPIENTS = """
INSERT INTO mail_recipient (id, message_id, project_id, kind, position, name, address, domain, status, status_reason,
    last_reply, lane, is_simulated, attempt_count, deferral_count, crash_count, expires_at, next_attempt_at, parked_by)
SELECT v.id, v.id, %(project)s, 'to', 0, '', 'user' || i || '@' || %(domain)s, %(domain)s,
    'queued', '', '', 'normal', false, 0, 0, 0, now() + interval '2 days',
    now() - interval '1 hour' + i * interval '1 ms', %(parked_by)s
FROM generate_series(1, %(count)s) i, LATERAL (
    SELECT (substr(%(project)s, 1, 8) || lpad(to_hex(i), 8, '0') || '8'
        || substr(md5(%(project)s || i), 1, 15))::uuid AS id
) v
"""


class Backlog:
    """Due recipients of one project, and beside them as many as one claim takes of another."""

    def __init__(self) -> None:
        self.large, self.small = create_project(name="large"), create_project(name="small")
        with connection.cursor() as cursor:
            cursor.execute(FOREIGN_KEYS)
            for (name,) in cursor.fetchall():
                cursor.execute(FREE.format(name=name))

    def fill(self, count: int, *, is_parked: bool) -> None:
        """Make the backlog anew, with `count` recipients."""
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE mail_recipient CASCADE")
            parked_by = "pause:bench" if is_parked else ""
            rows = ((self.large, count, "held.test", parked_by), (self.small, BATCH, "small.test", ""))
            for project, number, domain, by in rows:
                texts = {"project": str(project.pk), "domain": domain, "parked_by": by}
                cursor.execute(RECIPIENTS, {**texts, "count": number})
            cursor.execute("VACUUM ANALYZE mail_recipient")

    def scope(self, **values: Any) -> ClaimScope:
        usual: Mapping[str, Any] = {"is_shared_open": True, "open_projects": [], "closed_projects": []}
        return ClaimScope(**{**usual, **values})

    def closed(self) -> ClaimScope:
        """The provider of the project with the backlog takes no mail."""
        return self.scope(closed_projects=[self.large.pk])

    def held(self) -> ClaimScope:
        """The domain of all mail of the backlog takes none."""
        return self.scope(is_shared_direct=True, closed_domains={"held.test": timedelta(seconds=30)})

    def time_claim(self, scope: ClaimScope) -> float:
        """Milliseconds of a claim; the queue is afterwards as before."""
        with transaction.atomic():
            begun_at = perf_counter()
            claims = claim_recipients(Lane.NORMAL, BATCH, scope, LaneQueue(Lane.NORMAL))
            seconds = perf_counter() - begun_at
            transaction.set_rollback(True)
        assert claims, "a claim that finds nothing tells nothing"
        return seconds * 1000

    def explain(self, scope: ClaimScope) -> list[str]:
        """The indexes by which a claim finds recipients, and `Seq Scan` if it reads the whole table."""
        tenants = {Tenant(self.large.pk, False): BATCH, Tenant(self.small.pk, False): BATCH}
        values: dict[str, Any] = describe_turns(tenants, scope) | {"lane": Lane.NORMAL}
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN {TURN_HEADS}", values)
            lines = [row[0] for row in cursor.fetchall()]
        return sorted({used for line in lines if "mail_recipient" in line and (used := name_of_scan(line))})


def finish() -> None:
    connection.close()
