"""Shows mail as `delivering` while its conversation with the provider lasts."""

from collections.abc import Mapping
from time import monotonic
from uuid import UUID

from django.db import transaction

from messages.message_events import record_status_events
from messages.sending.progress import Work
from messages.states import Status
from messages.transitions import lock_free_recipients, show_in_flight

# A shorter conversation is not shown: most end sooner, and showing each would cost as much as recording it.
SLOW_SECONDS = 2.0


class InFlight:
    """The recipients of a child whose conversations are slow. `show` is called each second by the heartbeat's thread,
    while the child's own thread changes `work`.
    """

    def __init__(self, work: Mapping[UUID, Work]) -> None:
        self._work = work
        self._shown: set[int] = set()

    def show(self) -> None:
        """Show slow conversations that are not shown yet, in one transaction.

        Rows that are locked, such as those that are being recorded, are looked at again next time.
        """
        slow = {work.claim.recipient_id: work for work in list(self._work.values()) if self._is_to_show(work)}
        if not slow:
            return
        with transaction.atomic():
            free = lock_free_recipients(slow)
            applied = show_in_flight(free, {work.claim.token for work in slow.values()})
            record_status_events(
                applied,
                {
                    pk: {"attempt": work.claim.number, "provider": work.queue_key.provider.name}
                    for pk, work in slow.items()
                },
            )
        self._shown |= {slow[pk].claim.attempt_id for pk in free}

    def _is_to_show(self, work: Work) -> bool:
        begun_at = work.clock.begun_at
        return (
            work.claim.status is Status.QUEUED
            and begun_at is not None
            and monotonic() - begun_at >= SLOW_SECONDS
            and work.claim.attempt_id not in self._shown
        )
