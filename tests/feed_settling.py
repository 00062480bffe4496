"""The feed shows an event once all transactions that began before it have ended; tests wait for that."""

import time

from tracking.feed.cursor import find_horizon
from tracking.models import Event

PATIENCE_SECONDS = 60.0


def settle() -> None:
    """Wait until the feed shows all that has been committed. From then on it goes on doing so.

    Whose transactions those are is nobody's choice here: PostgreSQL's own (autovacuum), or those of another thread.
    """
    until = time.monotonic() + PATIENCE_SECONDS
    while Event.objects.filter(position__gt=find_horizon()).exists():
        assert time.monotonic() < until, "the feed does not settle"
        time.sleep(0.01)
