"""The samples of ESPs' events in the shared folder end in the states that they name."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from messages.feedback.esp_events import build_feedback
from messages.feedback.recording import receive_feedback
from messages.models import Attempt, Recipient
from messages.states import Phase, Status
from providers.esp.catalog import ESPS
from providers.esp.events import convert
from providers.esp.signatures import Posted
from providers.models import Provider
from tests.needs import SHARED, shared
from tests.provider_rows import settings_of

Send = Callable[..., Any]

# The ids of the mail in the sample, the state before its events, and the states after them by recipient.
SAMPLES: dict[str, tuple[str, dict[str, str], str, dict[str, str]]] = {
    "esp-brevo-batch.json": (
        "brevo",
        {"jane@example.org": "<1@smtp-relay.example.com>", "joe@example.org": "<2@smtp-relay.example.com>"},
        Status.SENT,
        {"jane@example.org": "bounced", "joe@example.org": "delivered"},
    ),
    "esp-resend-suppressed.json": ("resend", {"jane@example.org": "ID"}, Status.SENT, {"jane@example.org": "bounced"}),
    "esp-ses-out-of-office.json": (
        "ses",
        {"jane@example.org": "ID"},
        Status.DELIVERED,
        {"jane@example.org": "delivered"},
    ),
    "esp-ses-delivery-delay.json": ("ses", {"jane@example.org": "ID"}, Status.SENT, {"jane@example.org": "delivering"}),
}

# What each service cannot do without.
NEEDED = {
    "brevo": "api_key=k",
    "resend": "api_key=k",
    "ses": "aws_access_key_id=k&aws_secret_access_key=s&region_name=eu-west-1",
}


@shared
@pytest.mark.parametrize("file", SAMPLES)
def test_the_sample_ends_in_its_state(db: None, send: Send, file: str) -> None:
    assert SHARED
    name, ids, before, after = SAMPLES[file]
    provider = Provider.objects.create(name=name, kind="esp", settings=settings_of(f"esp://{name}?{NEEDED[name]}"))
    for address, remote_id in ids.items():
        recipient = Recipient.objects.get(message=send(to=[address]))
        Recipient.objects.filter(pk=recipient.pk).update(status=before, next_attempt_at=None)
        Attempt.objects.create(
            recipient=recipient,
            number=1,
            lease_token=recipient.pk,
            phase=Phase.DONE,
            provider=provider,
            claimed_at=recipient.message.created_at,
            remote_id=remote_id,
        )
    payload = json.loads((SHARED / "cases" / "delivery" / file).read_text())
    items = payload if isinstance(payload, list) else [payload]
    events, unknown = convert(ESPS[name], items, Posted(body=b'{"MessageId": "m"}', headers={}))
    assert (len(events), not unknown) == (len(items), True)
    for event in events:
        feedback = build_feedback(provider, event)
        assert feedback is not None
        receive_feedback(feedback)
    assert dict(Recipient.objects.values_list("address", "status")) == after
