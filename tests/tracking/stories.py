"""Random mail with its events, and a simple way to count it: for tests of the statistics."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from accounts.acting_for import Delegate
from accounts.models import Project
from common.addresses import parse_address
from messages import services
from messages.accepting.draft import Draft
from messages.models import Message
from tests.feed_settling import settle
from tracking.events import Fact, record_facts
from tracking.models import EventType, Rollup
from tracking.stats.counting import NAMES

TAGS = ("welcome", "bill", "alert", "Ünï")
PROVIDERS = ("a", "b", "")
TYPES = (
    EventType.SENT,
    EventType.DELIVERING,
    EventType.DELIVERED,
    EventType.BOUNCED,
    EventType.FAILED,
    EventType.COMPLAINED,
    EventType.UNSUBSCRIBED,
    EventType.OPENED_SETTLED,
    EventType.CLICKED_SETTLED,
)
ENDS = {EventType.DELIVERED, EventType.BOUNCED, EventType.FAILED, EventType.SENT}


def accept_some(project: Project, random: Random, count: int) -> list[Message]:
    """Emails of some hours, to one to three recipients, with tags, some scheduled, some of a test key."""
    messages = []
    for _ in range(count):
        to = [parse_address(f"r{number}@{number}.rcpt.test") for number in range(random.randint(1, 3))]
        draft = Draft(
            from_=parse_address(f"shop@{random.choice(('mine.test', 'Other.test'))}"),
            to=to,
            subject="Hi",
            text="Hello.",
            tags=random.sample(TAGS, random.randint(0, 3)),
            scheduled_at=timezone.now() + timedelta(days=1) if random.random() < 0.2 else None,
        )
        key = Delegate(project=project, is_test=random.random() < 0.1)
        (message,) = services.accept(key, [draft])
        hours = timedelta(hours=random.randint(0, 40))
        Message.objects.filter(pk=message.pk).update(created_at=message.created_at - hours)
        messages.append(message)
    settle()
    return messages


def let_happen(messages: Sequence[Message], random: Random, count: int) -> None:
    """Facts in any order that the states would allow, and in some that they would not."""
    for _ in range(count):
        message = random.choice(messages)
        row = random.choice(list(message.recipients.all()))
        type_ = random.choice(TYPES)
        if random.random() < 0.05:
            tell(message, None, EventType.CANCELLED)
        elif type_ not in ENDS or not has_happened(row.pk, type_):
            tell(
                message,
                row.pk,
                type_,
                provider=random.choice(PROVIDERS),
                actor=random.choice(("human", "proxy", "scanner")),
            )
    settle()


def tell(message: Message, recipient_id: UUID | None, type_: EventType, **data: Any) -> None:
    with transaction.atomic():
        fact = Fact(
            project_id=message.project_id, message_id=message.pk, recipient_id=recipient_id, type=type_, data=data
        )
        record_facts([fact])


def has_happened(recipient_id: UUID, type_: str) -> bool:
    return bool(ask("SELECT 1 FROM tracking_event WHERE recipient_id = %s AND type = %s", [recipient_id, type_]))


def ask(sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchall()


# One row for each email or event: its hour, its names in each dimension, and what it adds to which figure. It counts
# rows, whatever their number: what rollups are there to avoid.
COUNTED = """
WITH live AS (
    SELECT m.*, date_trunc('hour', m.created_at, 'UTC') AS hour, lower(split_part(m.from_address, '@', 2)) AS sender,
           (SELECT count(*) FROM mail_recipient r WHERE r.message_id = m.id)::int AS width
    FROM mail_message m WHERE NOT m.is_test AND m.project_id = %s
), facts AS (
    SELECT l.*, e.type, e.recipient_id, e.serial, e.data ->> 'actor' = 'human' AS human,
           e.data ->> 'actor' IN ('human', 'proxy') AS shown,
           (SELECT p.data ->> 'provider' FROM tracking_event p WHERE p.message_id = e.message_id
            AND p.recipient_id IS NOT DISTINCT FROM e.recipient_id AND p.serial <= e.serial
            AND p.data ->> 'provider' <> '' ORDER BY p.serial DESC LIMIT 1) AS provider,
           row_number() OVER (PARTITION BY e.message_id ORDER BY e.serial) AS nth,
           row_number() OVER (PARTITION BY e.message_id, e.recipient_id, e.type ORDER BY e.serial) AS nth_type,
           row_number() OVER (PARTITION BY e.message_id, e.recipient_id, e.type,
                              e.data ->> 'actor' IN ('human', 'proxy') ORDER BY e.serial) AS nth_shown,
           (SELECT count(*) FROM tracking_event h WHERE h.recipient_id = e.recipient_id AND h.serial < e.serial
            AND h.type IN ('email.sent', 'email.delivered')) AS handovers
    FROM live l JOIN tracking_event e ON e.message_id = l.id
), adds AS (
    SELECT f.*, 'emails' AS name, 1 AS count FROM facts f WHERE nth = 1
    UNION ALL SELECT f.*, 'accepted', width FROM facts f WHERE nth = 1
    UNION ALL SELECT f.*, 'sent', 1 FROM facts f WHERE type IN ('email.sent', 'email.delivered') AND handovers = 0
    UNION ALL SELECT f.*, 'delivered', 1 FROM facts f WHERE type = 'email.delivered'
    UNION ALL SELECT f.*, 'bounced', 1 FROM facts f WHERE type = 'email.bounced'
    UNION ALL SELECT f.*, 'bounced_late', 1 FROM facts f WHERE type = 'email.bounced' AND handovers > 0
    UNION ALL SELECT f.*, 'failed', 1 FROM facts f WHERE type = 'email.failed'
    UNION ALL SELECT f.*, 'suppressed', 1 FROM facts f WHERE type = 'email.suppressed'
    UNION ALL SELECT f.*, 'cancelled', width FROM facts f WHERE type = 'email.cancelled'
    UNION ALL SELECT f.*, 'complained', 1 FROM facts f WHERE type = 'email.complained' AND nth_type = 1
    UNION ALL SELECT f.*, 'unsubscribed', 1 FROM facts f WHERE type = 'email.unsubscribed' AND nth_type = 1
    UNION ALL SELECT f.*, 'opens', 1 FROM facts f WHERE type = 'email.opened.settled'
    UNION ALL SELECT f.*, 'opens_human', 1 FROM facts f WHERE type = 'email.opened.settled' AND human
    UNION ALL SELECT f.*, 'opened', 1 FROM facts f WHERE type = 'email.opened.settled' AND shown AND nth_shown = 1
    UNION ALL SELECT f.*, 'opens_shown', 1 FROM facts f WHERE type = 'email.opened.settled' AND shown
    UNION ALL SELECT f.*, 'clicks', 1 FROM facts f WHERE type = 'email.clicked.settled'
    UNION ALL SELECT f.*, 'clicks_human', 1 FROM facts f WHERE type = 'email.clicked.settled' AND human
    UNION ALL SELECT f.*, 'clicked', 1 FROM facts f WHERE type = 'email.clicked.settled' AND shown AND nth_shown = 1
    UNION ALL SELECT f.*, 'clicks_shown', 1 FROM facts f WHERE type = 'email.clicked.settled' AND shown
)
SELECT d.dimension, hour, d.value, name, sum(count)::int
FROM adds CROSS JOIN LATERAL (
    SELECT 'all' AS dimension, '' AS value
    UNION ALL SELECT 'domain', sender
    UNION ALL SELECT 'provider', provider WHERE provider IS NOT NULL
    UNION ALL SELECT 'stream', stream
    UNION ALL SELECT 'mailbox_provider', (SELECT r.domain FROM mail_recipient r WHERE r.id = recipient_id)
              WHERE recipient_id IS NOT NULL
    UNION ALL SELECT 'tag', tag FROM unnest(tags) AS tag
) AS d
GROUP BY 1, 2, 3, 4
"""


def count_rows(project: Project) -> Counter[tuple[Any, ...]]:
    """(dimension, hour, value, figure) → count, from the rows themselves."""
    return Counter({tuple(row[:4]): row[4] for row in ask(COUNTED, [project.pk])})


def read_figures(project: Project) -> Counter[tuple[Any, ...]]:
    """The same from the rollups of hours."""
    return Counter(
        {
            (row.dimension, row.starts_at, row.value, name): getattr(row, name)
            for row in Rollup.objects.filter(project=project).exclude(dimension__startswith="day:")
            for name in NAMES
            if getattr(row, name)
        }
    )


def read_rollups(project: Project) -> list[dict[str, Any]]:
    """All rollups as they stand, but for their ids."""
    rows = Rollup.objects.filter(project=project).order_by("dimension", "starts_at", "value").values()
    return [{name: value for name, value in row.items() if name != "id"} for row in rows]
