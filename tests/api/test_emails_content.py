"""A key that may only send reads no content of emails."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from messages.models import Recipient
from messages.states import Status, StatusReason
from tests.api.conftest import EMAIL

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("verb", ["POST", "PATCH", "cancel", "resend", "settle"])
def test_a_key_that_only_sends_reads_no_content(api, make_api, post, verb):
    sender = make_api(scopes=["emails:send"])
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    is_scheduled = verb in {"PATCH", "cancel"}
    pk = post(html="<p>s3cret</p>", text="s3cret", **({"scheduled_at": later} if is_scheduled else {}))["id"]
    if verb == "resend":
        Recipient.objects.filter(message_id=pk).move_to(Status.BOUNCED)
    if verb == "settle":
        Recipient.objects.filter(message_id=pk).move_to(Status.DELIVERING)
        Recipient.objects.filter(message_id=pk).update(status_reason=StatusReason.UNCERTAIN)
    method, path, body = {
        "POST": ("POST", "/emails", {**EMAIL, "text": "s3cret"}),
        "PATCH": ("PATCH", f"/emails/{pk}", {"scheduled_at": later}),
        "settle": ("POST", f"/emails/{pk}/settle", {"as": "failed"}),
    }.get(verb, ("POST", f"/emails/{pk}/{verb}", None))
    # A key that may read gets the same request's stored answer whole, one that only sends without the content.
    for by in (api, sender) if verb != "PATCH" else (sender,):
        answer = by.request(method, path, body, Idempotency_Key="once")
        assert answer.status_code in {200, 202}, answer.content
    assert not answer.json().keys() & {"html", "text", "template_vars"}
    assert b"s3cret" not in answer.content
    assert sender.get(f"/emails/{pk}").status_code == 403


def test_a_key_that_may_only_send_is_answered_without_content(make_api: Any) -> None:
    sender = make_api(scopes=["emails:send"])
    email = {"from_": "shop@mine.test", "to": "a@x.test", "subject": "Hi", "text": "Hello."}
    for headers in ({}, {"Idempotency_Key": "one"}, {"Idempotency_Key": "one"}):
        answer = sender.post("/emails", email, **headers)
        assert answer.status_code == 202
        assert not {"html", "text", "template_vars"} & set(answer.json())
    assert sender.post("/emails/batch", [email]).status_code == 202
