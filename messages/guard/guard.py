"""The guard of tenants: looks at the rates of bounces and complaints each minute, in whichever process comes first."""

from datetime import timedelta

from django.utils import timezone

from ledger.batches import run_batches
from ledger.sql import execute
from messages.guard.acting import act
from messages.guard.counting import count_events
from messages.guard.judging import read_scopes

INTERVAL = timedelta(seconds=60)
# Of several processes at once, one finds the row as it was.
_TAKE_TURN = """
UPDATE mail_guardstate SET judged_at = now()
WHERE id = 1 AND (judged_at IS NULL OR judged_at <= now() - %s::interval)
"""


def guard_tenants() -> None:
    """Count and judge if a minute has passed since the last time. Harmless in several processes, and at any moment."""
    execute("INSERT INTO mail_guardstate (id, counted_until) VALUES (1, now()) ON CONFLICT DO NOTHING")
    if execute(_TAKE_TURN, [INTERVAL]):
        run_batches(count_events)
        act(read_scopes(timezone.now()))
