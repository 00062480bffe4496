"""Counts events: pure arithmetic over events in the feed's order.

An event counts in the hour in which its email was accepted, even if it comes late: a bounce after delivery, a click a
week later. Therefore all figures of an hour concern the same emails, and rates are meaningful. Each recipient counts at
most once in each column, except in `opens` and `clicks`, which count visits by their settled labels.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from tracking.models import EventType
from tracking.stats.histograms import Histogram, find_slot

# The columns of a rollup with their descriptions, which the API shows.
COUNTERS: Mapping[str, str] = {
    "emails": "Emails accepted.",
    "accepted": "Recipients of the accepted emails.",
    "sent": "Recipients whose mail a provider or their own server accepted.",
    "delivered": "Recipients with a confirmed delivery, including those that bounced afterwards.",
    "bounced": "Recipients that were rejected permanently, at once or later.",
    "bounced_late": "Recipients that bounced after their mail was sent; `bounced` includes them.",
    "failed": "Recipients that failed by an error of the service or the provider, or by expiry.",
    "suppressed": "Recipients on the suppression list; nothing was sent to them.",
    "cancelled": "Recipients of emails that were cancelled.",
    "complained": "Recipients who reported the email as spam.",
    "unsubscribed": "Recipients who unsubscribed.",
    "opens": "Opens by people and programs.",
    "opens_human": "Opens by people.",
    "opens_shown": "Opens by people, and by image proxies that show the email to a person.",
    "opened": "Recipients to whom the email was shown.",
    "clicks": "Clicks by people and programs.",
    "clicks_human": "Clicks by people.",
    "clicks_shown": "Clicks by people, and by proxies for a person.",
    "clicked": "Recipients who clicked a link themselves.",
}
NAMES = tuple(COUNTERS)
# The actors of visits that show an email to a person, see `tracking.engagement.user_agents`.
HUMAN = "human"
SHOWN = frozenset({HUMAN, "proxy"})


class EventRow(NamedTuple):
    """The columns of an event that matter for counting."""

    type: str
    message_id: UUID
    recipient_id: UUID | None
    provider: str | None
    actor: str | None
    occurred_at: datetime


class CountedMessage(NamedTuple):
    """The attributes of a message under which its events count."""

    hour: datetime
    recipient_count: int
    template: str | None
    domain: str
    tags: tuple[str, ...]
    stream: str


class CounterKey(NamedTuple):
    """The attributes that events counted together share."""

    hour: datetime
    template: str | None
    domain: str
    tags: tuple[str, ...]
    stream: str
    provider: str | None
    mailbox_provider: str | None


@dataclass(slots=True)
class Counters:
    """Counts and durations."""

    counts: list[int] = field(default_factory=lambda: [0] * len(NAMES))
    handoff: Histogram = field(default_factory=Histogram)
    delivery: Histogram = field(default_factory=Histogram)

    def add(self, name: str, count: int = 1) -> None:
        self.counts[INDEX[name]] += count

    def merge(self, other: "Counters") -> None:
        self.counts = [own + more for own, more in zip(self.counts, other.counts, strict=True)]
        self.handoff.update(other.handoff)
        self.delivery.update(other.delivery)


INDEX = {name: index for index, name in enumerate(NAMES)}


@dataclass(slots=True)
class RecipientPast:
    """The earlier events of a recipient, before its next event is counted."""

    types: set[str] = field(default_factory=set)
    sent_at: datetime | None = None
    has_opened: bool = False
    has_clicked: bool = False
    provider: str | None = None


@dataclass(slots=True)
class MessagePast:
    """The earlier events of a message, by recipient id (None: the message's own). Without any, the message is new."""

    is_known: bool = False
    queued_at: datetime | None = None
    recipients: dict[UUID | None, RecipientPast] = field(default_factory=dict)
    # A cache by provider and mailbox provider, because hashing a CounterKey takes longer than the rest.
    counters_by_key: dict[tuple[str | None, str | None], Counters] = field(default_factory=dict)

    def of(self, recipient_id: UUID | None) -> RecipientPast:
        found = self.recipients.get(recipient_id)
        if found is None:
            found = self.recipients[recipient_id] = RecipientPast()
        return found


class Count(NamedTuple):
    """One event with its message, its past and its counters."""

    event: EventRow
    subject: CountedMessage
    message: MessagePast
    past: RecipientPast
    counters: Counters


def count_events(
    events: Iterable[EventRow],
    subjects: Mapping[UUID, CountedMessage],
    pasts: dict[UUID, MessagePast],
    mailbox_providers: Mapping[UUID, str],
) -> dict[CounterKey, Counters]:
    """Count events by key, in the order of the keys' first events. Updates `pasts`.

    `mailbox_providers` has that of each recipient. Events without a message in `subjects` are left out: mail of test
    keys, and deleted mail.
    """
    counters_by_key: dict[CounterKey, Counters] = {}
    for event in events:
        subject = subjects.get(event.message_id)
        if subject is None:
            continue
        message = pasts.setdefault(event.message_id, MessagePast())
        past = message.of(event.recipient_id)
        if event.provider:
            past.provider = event.provider
        mailbox_provider = mailbox_providers.get(event.recipient_id) if event.recipient_id else None
        own_key = (past.provider, mailbox_provider)
        counters = message.counters_by_key.get(own_key)
        if counters is None:
            counter_key = CounterKey(
                subject.hour, subject.template, subject.domain, subject.tags, subject.stream, *own_key
            )
            counters = message.counters_by_key[own_key] = counters_by_key.setdefault(counter_key, Counters())
        count_one(Count(event, subject, message, past, counters))
    return counters_by_key


def count_one(count: Count) -> None:
    if not count.message.is_known:
        count.message.is_known = True
        count.counters.add("emails")
        count.counters.add("accepted", count.subject.recipient_count)
    if rule := RULES.get(count.event.type):
        rule(count)
    count.past.types.add(count.event.type)


def count_queued(count: Count) -> None:
    count.message.queued_at = count.message.queued_at or count.event.occurred_at


def count_sent(count: Count) -> None:
    """Count the first acceptance of a recipient. A direct delivery counts as one too."""
    if count.past.sent_at is None:
        count.past.sent_at = count.event.occurred_at
        count.counters.add("sent")
        if count.message.queued_at is not None:
            count.counters.handoff[find_slot(count.event.occurred_at - count.message.queued_at)] += 1


def count_delivered(count: Count) -> None:
    if count.past.sent_at is not None:
        count.counters.delivery[find_slot(count.event.occurred_at - count.past.sent_at)] += 1
    count_sent(count)
    count.counters.add("delivered")


def count_bounced(count: Count) -> None:
    count.counters.add("bounced")
    if count.past.sent_at is not None:
        count.counters.add("bounced_late")


def count_cancelled(count: Count) -> None:
    """Count one recipient, or a message's recipients without those that were cancelled before the others."""
    if count.event.recipient_id is not None:
        count.counters.add("cancelled")
        return
    alone = sum(EventType.CANCELLED in past.types for key, past in count.message.recipients.items() if key)
    count.counters.add("cancelled", count.subject.recipient_count - alone)


def count_opened(count: Count) -> None:
    count_visit(count, "opens")
    if count.event.actor in SHOWN:
        count.counters.add("opened", 0 if count.past.has_opened else 1)
        count.past.has_opened = True


def count_clicked(count: Count) -> None:
    count_visit(count, "clicks")
    if count.event.actor in SHOWN:
        count.counters.add("clicked", 0 if count.past.has_clicked else 1)
        count.past.has_clicked = True


def count_visit(count: Count, name: str) -> None:
    count.counters.add(name)
    if count.event.actor == HUMAN:
        count.counters.add(f"{name}_human")
    if count.event.actor in SHOWN:
        count.counters.add(f"{name}_shown")


def count_once(name: str) -> Callable[[Count], None]:
    """A rule that counts an event type once for each recipient, even if the event occurs again."""

    def rule(count: Count) -> None:
        if count.event.type not in count.past.types:
            count.counters.add(name)

    return rule


RULES: Mapping[str, Callable[[Count], None]] = {
    EventType.QUEUED: count_queued,
    EventType.SENT: count_sent,
    EventType.DELIVERED: count_delivered,
    EventType.BOUNCED: count_bounced,
    EventType.CANCELLED: count_cancelled,
    EventType.OPENED_SETTLED: count_opened,
    EventType.CLICKED_SETTLED: count_clicked,
    EventType.FAILED: count_once("failed"),
    EventType.SUPPRESSED: count_once("suppressed"),
    EventType.COMPLAINED: count_once("complained"),
    EventType.UNSUBSCRIBED: count_once("unsubscribed"),
}
