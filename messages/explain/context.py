"""The data that an explanation needs beside the message's own rows, read in a fixed number of queries."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db.models import Count, Max
from django.utils import timezone

from ledger.timer import read_worker_age
from messages.feedback.return_paths import find_return_path
from messages.models import Attempt, Message, Pause, Recipient
from messages.pausing.caps import Cap, find_cap
from messages.pausing.matching import find_covered_at_expiry, find_covering
from messages.pausing.state import pause_state
from messages.selectors import timeline
from messages.states import Phase, StatusReason
from providers.models import ProviderKind
from providers.routing.health import ProviderStatus, provider_status
from tracking.models import Event, EventType, HeldSuppression, Suppression, SuppressionWave
from tracking.stats.counting import SHOWN
from tracking.suppressions.erased import map_stored_forms
from tracking.suppressions.reach import Cause, MailKind
from tracking.suppressions.service import sort_by_strength

# 50 recipients have some events each; events beyond this number come from repeated reports.
MAX_EVENTS = 1_000
# Only settled labels say that a person visited.
SETTLED = (EventType.OPENED_SETTLED, EventType.CLICKED_SETTLED)
VISITS = (EventType.OPENED, EventType.CLICKED, *SETTLED)


class Visits(NamedTuple):
    """The number of opens or clicks by people, and the time of the last one."""

    times: int
    last_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """The data of an explanation.

    `events` by recipient id (None: the message's own), `visits` by recipient id and event type, `suppressions` (the
    present ones, the strongest first) and `held` (the wave that holds one back) by lower-case address. `kind` decides
    which of them stop the message. `worker_age` is in seconds, None if no worker was ever seen. `hears_bounces`:
    bounces of this message are sent to this service.
    """

    now: datetime
    kind: MailKind
    events: Mapping[UUID | None, Sequence[Event]]
    visits: Mapping[tuple[UUID | None, str], Visits]
    suppressions: Mapping[str, Sequence[Suppression]]
    held: Mapping[str, SuppressionWave]
    provider_status: ProviderStatus
    worker_age: float | None
    hears_bounces: bool
    # The pause that holds, or held at its expiry, for a recipient, by its id. `cap` is None for a project without one.
    pauses: Mapping[UUID, Pause]
    cap: Cap | None

    def find_event(self, row: Recipient, type_: EventType) -> Event | None:
        """The recipient's last event of a type."""
        return next((event for event in reversed(self.events.get(row.pk, ())) if event.type == type_), None)

    def list_suppressions(self, row: Recipient) -> Sequence[Suppression]:
        """The present entries of the recipient's address, the strongest first."""
        return self.suppressions.get(row.address.lower(), ())

    def find_suppression(self, row: Recipient) -> Suppression | None:
        """The strongest present entry that stops this mail."""
        stops = (one for one in self.list_suppressions(row) if self.kind.is_stopped_by(Cause(one.reason, one.stream)))
        return next(stops, None)

    def find_kind(self, attempt: Attempt) -> ProviderKind | None:
        """The kind of the attempt's provider; None when the provider was deleted."""
        if attempt.provider_id is None:
            return ProviderKind.SIMULATOR if attempt.provider_name == ProviderKind.SIMULATOR else None
        return self.provider_status.kinds.get(attempt.provider_id)


def read_background(message: Message, rows: Sequence[Recipient]) -> Background:
    """Read the background of a message and its recipients."""
    events: dict[UUID | None, list[Event]] = defaultdict(list)
    for event in timeline(message.pk).exclude(type__in=VISITS)[:MAX_EVENTS]:
        events[event.recipient_id].append(event)
    addresses = {row.address.lower() for row in rows}
    forms = map_stored_forms(message.project_id, addresses)
    found = Suppression.objects.filter(project_id=message.project_id, address__in=forms, is_test=message.is_test)
    # No bounce of test mail suppresses, so that none is held back.
    listed = [] if message.is_test else addresses
    held = HeldSuppression.objects.filter(project_id=message.project_id, address__in=listed).select_related("wave")
    suppressions: dict[str, list[Suppression]] = defaultdict(list)
    for each in sort_by_strength(found):
        suppressions[forms[each.address]].append(each)
    return Background(
        now=timezone.now(),
        kind=MailKind.of(message.stream, offers_opt_out=message.enable_unsubscribe, priority=message.priority),
        events=events,
        visits=read_visits(message),
        suppressions=suppressions,
        held={each.address: each.wave for each in held},
        provider_status=provider_status(message.project_id),
        worker_age=read_worker_age(),
        pauses=read_pauses(message, rows),
        cap=find_cap(message.project_id),
        hears_bounces=bool(rows) and find_return_path(message.domain_id, rows[0].pk) is not None,
    )


def read_pauses(message: Message, rows: Sequence[Recipient]) -> Mapping[UUID, Pause]:
    """The pause that holds for each of the message's recipients that has one; for an expired one, that which held when
    its time was over.
    """
    found = find_covering(message.pk) if pause_state.read().has_pauses else []
    if any(row.status_reason == StatusReason.EXPIRED for row in rows):
        found = [*find_covered_at_expiry(message.pk), *found]
    first: dict[UUID, UUID] = {}
    for covered in found:
        first.setdefault(covered.recipient_id, covered.pause_id)
    pauses = Pause.objects.in_bulk(first.values())
    return {recipient_id: pauses[pause_id] for recipient_id, pause_id in first.items() if pause_id in pauses}


def read_visits(message: Message) -> Mapping[tuple[UUID | None, str], Visits]:
    """The opens and clicks that show the mail to a person, by recipient id and event type."""
    if not (message.track_opens or message.track_clicks):
        return {}
    shown = timeline(message.pk).filter(type__in=SETTLED, data__actor__in=sorted(SHOWN)).order_by()
    counted = shown.values_list("recipient_id", "type").annotate(Count("id"), Max("occurred_at"))
    return {(recipient_id, type_): Visits(times, last_at) for recipient_id, type_, times, last_at in counted}


def find_current(row: Recipient) -> Attempt | None:
    """The attempt that a worker is processing; None if the last one is finished."""
    last = find_last(row)
    return last if last and last.phase != Phase.DONE else None


def find_last(row: Recipient) -> Attempt | None:
    return row.shown_attempts[-1] if row.shown_attempts else None
