"""POST /api/v1/emails/{id}/settle."""

import uuid

import pytest

from accounts.models import AuditEntry

pytestmark = pytest.mark.django_db


@pytest.fixture
def uncertain(test_api, post, deliver):
    pk = post(test_api, to="uncertain@simulator.test", on_uncertain="hold")["id"]
    deliver()
    body = test_api.get(f"/emails/{pk}").json()
    assert (body["status"], body["status_reason"]) == ("delivering", "uncertain")
    return pk


@pytest.mark.parametrize(("word", "status"), [("sent", "sent"), ("failed", "failed"), ("retry", "delivering")])
def test_a_persons_word_ends_the_wait(test_api, uncertain, word, status):
    answer = test_api.post(f"/emails/{uncertain}/settle", {"as": word})
    body = answer.json()
    assert (answer.status_code, body["status"], body["status_reason"]) == (200, status, "settled")
    assert (body["recipients"][0]["next_attempt_at"] is not None) is (word == "retry")
    assert test_api.post(f"/emails/{uncertain}/settle", {"as": word}).status_code == 409


def test_a_retry_is_sent_again(test_api, uncertain, deliver):
    test_api.post(f"/emails/{uncertain}/settle", {"as": "retry"})
    deliver()
    assert test_api.get(f"/emails/{uncertain}").json()["status"] == "delivered"


def test_a_certain_recipient_is_409(api, post):
    answer = api.post(f"/emails/{post()['id']}/settle", {"as": "sent"})
    assert (answer.status_code, answer.json()["code"]) == (409, "not_uncertain")


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({}, "as", "required"),
        ({"as": "delivered"}, "as", "invalid_choice"),
        ({"as": "sent", "x": 1}, "x", "unknown_field"),
    ],
)
def test_another_word_is_refused(test_api, uncertain, body, field, code):
    answer = test_api.post(f"/emails/{uncertain}/settle", body)
    assert answer.status_code == 422
    assert [(error["field"], error["code"]) for error in answer.json()["errors"]] == [(field, code)]


def test_another_projects_email_is_404(other_api, uncertain):
    assert other_api.post(f"/emails/{uncertain}/settle", {"as": "sent"}).status_code == 404
    assert other_api.post(f"/emails/{uuid.uuid4()}/settle", {"as": "sent"}).status_code == 404


def test_many_are_settled_alike_and_those_that_cannot_be_are_named(test_api, other_api, uncertain, post):
    certain, nobody = post(test_api)["id"], str(uuid.uuid4())
    ids = [certain, uncertain, nobody, uncertain.upper()]
    answer = test_api.post("/emails/settle", {"ids": ids, "as": "sent"})
    body = answer.json()
    assert (answer.status_code, body["data"]) == (
        200,
        [{"index": index, "id": uncertain, "status": "sent"} for index in (1, 3)],
    )
    assert [(error["index"], error["errors"][0]["field"], error["errors"][0]["code"]) for error in body["errors"]] == [
        (0, "ids[0]", "not_uncertain"),
        (2, "ids[2]", "not_found"),
    ]
    again = test_api.post("/emails/settle", {"ids": [uncertain], "as": "sent"})
    assert (again.status_code, again.json()["code"]) == (422, "not_uncertain")
    entry = AuditEntry.objects.get(object=uncertain, action="settle_email")
    assert (entry.actor, entry.data) == (test_api.key.prefix, {"as": "sent"})


def test_anothers_emails_are_settled_by_nobody_else(test_api, other_api, uncertain):
    answer = other_api.post("/emails/settle", {"ids": [uncertain], "as": "failed"})
    assert (answer.status_code, answer.json()["code"]) == (422, "not_found")
    assert test_api.get(f"/emails/{uncertain}").json()["status_reason"] == "uncertain"


@pytest.mark.parametrize(
    ("ids", "field"),
    [
        ([], "ids"),
        ([str(uuid.UUID(int=1))] * 501, "ids"),
        ([str(uuid.UUID(int=1)), "x"], "ids[1]"),
        ([5], "ids[0]"),
        ("x", "ids"),
    ],
)
def test_wrong_lists_of_ids_are_refused(api, ids, field):
    answer = api.post("/emails/settle", {"ids": ids, "as": "sent"})
    assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (422, [field])


def test_emails_are_listed_by_the_reason_for_their_state(test_api, api, uncertain, post):
    waiting = post(api)["id"]

    def listed(client, reason):
        return [each["id"] for each in client.get(f"/emails?status_reason={reason}").json()["data"]]

    assert listed(test_api, "uncertain") == [uncertain]
    assert listed(test_api, "paused") == listed(api, "uncertain") == []
    assert listed(api, "no_provider") == [waiting]
    assert listed(test_api, "no_provider") == []
    assert api.get("/emails?status_reason=lost").status_code == 422
