"""Postmark's test token: checked, answered, and neither stored nor sent."""

import pytest

from messages.models import Message
from tests.conftest import ApiClient
from tests.gateways.postmark.conftest import EMAIL, Postmark

pytestmark = pytest.mark.django_db


@pytest.fixture
def tester() -> Postmark:
    return Postmark(ApiClient("POSTMARK_API_TEST"))


def test_an_email_is_answered_as_accepted(tester):
    body = {**EMAIL, "Cc": "two@rcpt.test", "MessageStream": "outbound", "Tag": "a"}
    response = tester.post("/email", body)
    assert response.status_code == 200
    answer = response.json()
    assert (answer["To"], answer["Cc"], answer["ErrorCode"]) == ("one@rcpt.test", "two@rcpt.test", 0)
    assert answer["Message"] == "Test job accepted"
    assert answer["MessageID"]
    assert not Message.objects.exists()


def test_wrong_fields_are_named(tester):
    many = ", ".join(f"a{n}@rcpt.test" for n in range(51))
    for wrong, named in (
        ({"From": ""}, "From: "),
        ({"From": "shop"}, "From: "),
        ({"To": many}, "To: At most 50"),
        ({"Subject": "a\nb"}, "Subject: "),
        ({"Wrong": 1}, "Wrong: Unknown field"),
    ):
        response = tester.post("/email", {**EMAIL, **wrong})
        assert (response.status_code, response.json()["ErrorCode"]) == (422, 300), wrong
        assert named in response.json()["Message"]
    assert tester.post("/email", b"{").json()["ErrorCode"] == 402


def test_a_batch_is_answered_email_by_email(tester):
    answers = tester.post("/email/batch", [EMAIL, {**EMAIL, "To": "nobody"}, 1]).json()
    assert [each["ErrorCode"] for each in answers] == [0, 300, 300]
    assert tester.post("/email/batch", [EMAIL] * 501).json()["ErrorCode"] == 410
    assert not Message.objects.exists()


def test_it_opens_nothing_else_and_takes_little(tester):
    assert tester.get("/bounces").status_code == 401
    assert tester.post("/email", {**EMAIL, "TextBody": "x" * 1_100_000}).status_code == 413
