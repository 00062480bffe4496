"""The simulator's later events happen even if every program that knew of them was killed."""

from collections.abc import Callable
from typing import Any

import pytest

from messages.models import ReceivedFeedback

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.slow("starts, kills and restarts programs"),
]


def test_a_late_complaint_survives_the_death_of_the_worker(
    make_api: Callable[..., Any], start_worker: Any, wait_until: Callable[..., None]
) -> None:
    api = make_api(is_test=True)
    first = start_worker()
    to = "greylist.then.deliver.open.after.100s.complaint.after.150s@simulator.test"
    email = {"from_": "shop@mine.test", "to": to, "subject": "Hi", "text": "Hello."}
    path = f"/emails/{api.post('/emails', {**email, 'headers': {'X-Simulator-Time-Scale': '0.01'}}).json()['id']}"
    wait_until(lambda: api.get(path).json()["status"] == "delivered")
    first.kill()
    assert ReceivedFeedback.objects.filter(due_at__isnull=False).count() == 2
    start_worker()
    wait_until(lambda: not ReceivedFeedback.objects.filter(due_at__isnull=False).exists())
    types = [event["type"] for event in api.get(f"{path}/events").json()["data"]]
    assert types == ["email.queued", "email.delivering", "email.delivered", "email.opened", "email.complained"]
