"""A notice when many servers refuse us: our IP address, our domain, our authentication or our reputation."""

import time
from collections.abc import Mapping
from datetime import timedelta

from django.db import transaction
from django.db.models.functions import Now

from accounts.models import Notice
from accounts.services import write_notice
from tracking.suppressions.waves import is_wave, lock_likenesses

KIND = "identity_refused"
LIKENESS = "identity"
# One notice for the operator within this time.
QUIET = timedelta(hours=6)
# While the notice is fresh, a process counts nothing for this time.
REST_SECONDS = 300.0


class IdentityRefusals:
    """Counts refusals about our identity, as the waves of suppressions are counted."""

    def __init__(self) -> None:
        self._rest_until = float("-inf")

    def note(self, counts: Mapping[str, int], words: str) -> None:
        """Count refusals by recipient domain, in the caller's transaction if there is one; `words` are an example."""
        if not counts or time.monotonic() < self._rest_until:
            return
        with transaction.atomic():
            lock_likenesses([LIKENESS])
            if not is_wave(LIKENESS, counts):
                return
            is_told = Notice.objects.filter(project=None, kind=KIND, created_at__gt=Now() - QUIET).exists()
            if not is_told:
                write_notice(
                    None,
                    kind=KIND,
                    text=(
                        "Servers of several domains refuse the service itself: its IP address, its domain or its "
                        f"authentication. One says: “{words[:300]}”. No address is suppressed for that."
                    ),
                    data={"words": words[:1_000], "domains": sorted(counts)[:20]},
                )
        self._rest_until = time.monotonic() + REST_SECONDS

    def forget(self) -> None:
        """Count at once again, as a new process does."""
        self._rest_until = float("-inf")


identity_refusals = IdentityRefusals()
