"""POST /api/v1/emails/{id}/resend with other addresses, and `forwarded_to`."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from messages.models import Message, Recipient

pytestmark = pytest.mark.django_db
Post = Callable[..., dict[str, Any]]


@pytest.fixture
def sent(api: Any, post: Post) -> dict[str, Any]:
    """An email that has left, with copies."""
    body = post(to=["Jo <jo@rcpt.test>", "sam@rcpt.test"], cc="cc@rcpt.test", bcc="bcc@rcpt.test", tags=["t"])
    Recipient.objects.update(status="sent", next_attempt_at=None)
    Message.objects.update(status="sent")
    return body


def resend(api: Any, sent: dict[str, Any], body: Any, **headers: str) -> Any:
    return api.post(f"/emails/{sent['id']}/resend", body, **headers)


def test_a_copy_goes_to_the_given_addresses_alone(api: Any, sent: dict[str, Any]) -> None:
    before = api.get(f"/emails/{sent['id']}").json()
    assert before["forwarded_to"] == []
    answer = resend(api, sent, {"to": ["New <new@rcpt.test>", "other@rcpt.test", "NEW@rcpt.test"]})
    assert answer.status_code == 202
    new = answer.json()
    assert (new["to"], new["cc"], new["bcc"]) == (["New <new@rcpt.test>", "other@rcpt.test"], [], [])
    assert (new["resent_from"], new["forwarded_to"], new["tags"]) == (sent["id"], [], ["t"])
    assert {row["address"] for row in new["recipients"]} == {"new@rcpt.test", "other@rcpt.test"}
    second = resend(api, sent, {"to": "third@rcpt.test"}).json()
    assert api.get(f"/emails/{sent['id']}").json() == {**before, "forwarded_to": [new["id"], second["id"]]}
    listed = {row["id"]: row["forwarded_to"] for row in api.get("/emails").json()["data"]}
    assert listed == {sent["id"]: [new["id"], second["id"]], new["id"]: [], second["id"]: []}


def test_a_plain_resend_is_not_a_forward(api: Any, sent: dict[str, Any]) -> None:
    for body in (None, {}, {"recipients": "all"}, {"to": None}):
        assert len(resend(api, sent, body).json()["recipients"]) == 4
    assert api.get(f"/emails/{sent['id']}").json()["forwarded_to"] == []


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({"to": []}, "to", "required"),
        ({"to": ""}, "to", "invalid_address"),
        ({"to": {}}, "to", "invalid"),
        ({"to": ["jo@rcpt.test", "nope"]}, "to[1]", "invalid_address"),
        ({"to": ["a@b.test"], "recipients": "failed"}, "to", "recipients_conflict"),
        ({"to": [f"a{number}@b.test" for number in range(51)]}, "to", "too_many_recipients"),
        ({"cc": ["a@b.test"]}, "cc", "unknown_field"),
    ],
)
def test_nothing_is_sent_where_the_addresses_are_wrong(
    api: Any, sent: dict[str, Any], body: Any, field: str, code: str
) -> None:
    answer = resend(api, sent, body)
    assert answer.status_code == 422, answer.content
    assert (field, code) in [(error["field"], error["code"]) for error in answer.json()["errors"]]
    assert Message.objects.count() == 1


def test_the_rules_of_a_resend_hold(api: Any, make_api: Any, other_api: Any, post: Post, sent: dict[str, Any]) -> None:
    to = {"to": ["new@rcpt.test"]}
    waiting = post()
    assert resend(api, waiting, to).status_code == 409
    assert resend(other_api, sent, to).status_code == 404
    narrow = make_api(allowed_recipients=["*@acme.test"])
    assert resend(narrow, sent, to).json()["code"] == "recipient_not_allowed"
    api.post("/suppressions", {"address": "new@rcpt.test"})
    assert resend(api, sent, to).json()["status_reason"] == "suppressed"
    first = resend(api, sent, {"to": ["b@rcpt.test"]}, Idempotency_Key="k").json()
    assert resend(api, sent, {"to": ["b@rcpt.test"]}, Idempotency_Key="k").json()["id"] == first["id"]
    assert resend(api, sent, {"to": ["c@rcpt.test"]}, Idempotency_Key="k").json()["code"] == "idempotency_key_reused"


def test_the_command_forwards_too(api: Any, sent: dict[str, Any], capsys: Any) -> None:
    call_command("resend_email", sent["id"], "--forward-to", "new@rcpt.test", "--json")
    assert len(api.get(f"/emails/{sent['id']}").json()["forwarded_to"]) == 1
    with pytest.raises(CommandError, match="not both"):
        call_command("resend_email", sent["id"], "--forward-to", "new@rcpt.test", "--failed")
    assert "error" not in capsys.readouterr().out
