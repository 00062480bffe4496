"""An email's fields are stored and copied by one list."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone

from accounts.models import StreamType
from accounts.streams import create_stream
from messages import services
from messages.accepting.draft import BODIES, COPIED, KEPT
from messages.models import Message
from messages.states import Lane, OnUncertain, Status

pytestmark = pytest.mark.django_db
SOON = timezone.now() + timedelta(hours=1)
VALUES: dict[str, Any] = {
    "subject": "Your order",
    "html": "<p>Hello</p>",
    "text": "Hello",
    "stream": "news",
    "locale": "de-AT",
    "track_opens": True,
    "track_clicks": True,
    "enable_unsubscribe": True,
    "scheduled_at": SOON,
    "expires_at": SOON + timedelta(hours=1),
    "headers": [["X-Order", "42"]],
    "tags": ["shipping"],
    "metadata": {"order": "42"},
    "priority": Lane.CRITICAL,
    "on_uncertain": OnUncertain.HOLD,
    "header_recipients": {"to": [{"name": "Jo", "address": "jo@rcpt.test"}], "cc": []},
    "original_message_id": "<1@app.test>",
    "batch_id": UUID(int=1),
}


def read(message: Message, names: list[str]) -> dict[str, Any]:
    stored = Message.objects.get(pk=message.pk)
    return {name: getattr(stored.content if name in BODIES else stored, name) for name in names}


def test_every_field_that_a_message_has_under_the_same_name_is_stored_and_sent_again(api_key, send):
    create_stream(api_key.project, name="news", type_=StreamType.TRANSACTIONAL)
    assert sorted([*KEPT, *BODIES]) == sorted(VALUES)
    message = send(**VALUES)
    assert read(message, [*KEPT, *BODIES]) == VALUES
    Message.objects.filter(pk=message.pk).update(status=Status.SENT)
    message.refresh_from_db()
    again = services.resend(api_key, message)
    copied = [*COPIED, *BODIES]
    assert read(again, copied) == {name: VALUES[name] for name in copied}
    assert (again.scheduled_at, again.expires_at, again.resent_from_id) == (None, None, message.pk)
