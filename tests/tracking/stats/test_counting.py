"""Events become counts, without a database."""

from datetime import UTC, datetime
from uuid import UUID

from tracking.models import EventType
from tracking.stats.counting import INDEX, CountedMessage, EventRow, count_events

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MESSAGE, ANN = UUID(int=1), UUID(int=2)


def test_a_recipient_that_was_cancelled_alone_is_not_counted_again_with_its_message():
    subject = CountedMessage(hour=NOW, recipient_count=3, template=None, domain="a.test", tags=(), stream="default")
    events = [EventRow(EventType.CANCELLED, MESSAGE, recipient, None, None, NOW) for recipient in (ANN, None)]
    counted = count_events(events, {MESSAGE: subject}, {}, {}).values()
    assert sum(counters.counts[INDEX["cancelled"]] for counters in counted) == 3
