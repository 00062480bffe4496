"""Scenarios in addresses at simulator.test, seen by callers of the API."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from messages.feedback.recording import apply_due
from messages.models import Message, ReceivedFeedback
from tests.api.conftest import EMAIL
from tests.conftest import ApiClient

Post = Callable[..., dict[str, Any]]


def test_a_test_key_gets_the_whole_timeline_and_its_rows_say_test(
    test_api: ApiClient, post: Post, deliver: Callable[[], None]
) -> None:
    pk = post(test_api, to="complaint.after.5s@simulator.test")["id"]
    deliver()
    ReceivedFeedback.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    apply_due()
    types = [event["type"] for event in test_api.get(f"/emails/{pk}/events").json()["data"]]
    assert types == ["email.queued", "email.delivered", "email.complained"]
    assert test_api.get(f"/emails/{pk}").json()["test"] is True
    assert test_api.get("/suppressions").json()["data"] == []


def test_a_scenario_that_cannot_be_read_is_refused_and_named(test_api: ApiClient) -> None:
    to = ["greylist.2x@simulator.test", "bounced.aftr.5s@simulator.test"]
    answer = test_api.post("/emails", {**EMAIL, "to": to, "bcc": "open.2x@simulator.test"})
    assert answer.status_code == 422
    errors = {error["field"]: error["code"] for error in answer.json()["errors"]}
    assert errors == {"to[1]": "unknown_scenario", "bcc[0]": "unknown_scenario"}
    assert not Message.objects.exists()


def test_a_persons_name_at_the_simulator_is_delivered_to(
    test_api: ApiClient, post: Post, deliver: Callable[[], None]
) -> None:
    pk = post(test_api, to="john.smith@simulator.test")["id"]
    deliver()
    assert test_api.get(f"/emails/{pk}").json()["status"] == "delivered"


@pytest.mark.parametrize("scale", ["0.01", "1", "2.5", "100"])
def test_the_time_scale_is_a_number(api: ApiClient, scale: str) -> None:
    to = "delivered@simulator.test"
    assert api.post("/emails", {**EMAIL, "to": to, "headers": {"x-simulator-time-scale": scale}}).status_code == 202
    assert Message.objects.get().headers == [["X-Simulator-Time-Scale", scale]]


@pytest.mark.parametrize("scale", ["", "0", "0.0", "-1", "fast", "1e3", "nan", "101", "0x1", "٣"])
def test_any_other_time_scale_is_refused(api: ApiClient, scale: str) -> None:
    answer = api.post("/emails", {**EMAIL, "headers": {"X-Simulator-Time-Scale": scale}})
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert (error["field"], error["code"]) == ("headers.X-Simulator-Time-Scale", "invalid_time_scale")
