"""POST /api/v1/emails/{id}/settle."""

import uuid

import pytest

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
