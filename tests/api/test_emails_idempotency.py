"""The header Idempotency-Key with one client. Races are tested in tests/messages."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db.models import F

from accounts import idempotency
from accounts.models import IdempotencyKey
from messages.models import Message
from messages.states import Status
from tests.api.conftest import EMAIL

pytestmark = pytest.mark.django_db


def post(api, key="k", body=EMAIL, path="/emails"):
    return api.post(path, body, Idempotency_Key=key)


def age(**by):
    """As if the keys had been used that much earlier."""
    IdempotencyKey.objects.update(created_at=F("created_at") - timedelta(**by))


def is_replay(answer):
    return answer.headers.get("Idempotency-Replayed") == "true"


def test_the_same_request_gets_the_same_answer_again(api):
    first, second = post(api), post(api)
    assert (first.status_code, is_replay(first)) == (202, False)
    assert (second.status_code, is_replay(second)) == (202, True)
    assert second.json() == first.json()
    assert second["Location"] == first["Location"]
    assert second["X-Request-Id"] != first["X-Request-Id"]
    assert Message.objects.count() == 1


def test_the_answer_is_the_stored_one_though_the_email_has_changed(api, settle_as):
    body = post(api).json()
    settle_as(body["id"], Status.DELIVERED)
    assert post(api).json() == body


@pytest.mark.parametrize(
    ("first", "second"),
    [("k", '"k"'), ('"k"', "k"), ("k", " k "), ("a b", '"a b"'), ("x" * 256, f'"{"x" * 256}"')],
)
def test_a_key_is_the_same_quoted_or_not(api, first, second):
    assert post(api, first).json()["id"] == post(api, second).json()["id"]


@pytest.mark.parametrize("key", ["x" * 257, f'"{"x" * 257}"', '""', " ", "", "a\tb", "a\x7fb", "a\x01", "schl\xfcssel"])
def test_an_invalid_key_is_400(api, key):
    answer = post(api, key)
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_invalid")
    assert not Message.objects.exists()


def test_spacing_and_the_order_of_keys_are_no_other_payload(api):
    pk = post(api, body=b'{"to":"a@x.test","from_":"a@mine.test","subject":"Hi","text":"\\u0041"}').json()["id"]
    again = post(api, body=b' {"text": "A", "subject": "Hi",\n"to": "a@x.test", "from_": "a@mine.test"}')
    assert (again.json()["id"], is_replay(again)) == (pk, True)


@pytest.mark.parametrize("path", ["/emails/", "/api/v1/emails"])
def test_the_form_of_the_path_is_no_other_path(api, path):
    assert post(api).json()["id"] == post(api, path=path).json()["id"]


def test_another_payload_under_the_key_is_422(api):
    post(api)
    answer = post(api, body={**EMAIL, "subject": "Other"})
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert Message.objects.count() == 1


@pytest.mark.parametrize("body", [{}, [], {"to": 5}, {"x": 1}, "x"])
def test_the_key_is_looked_up_before_fields_are_validated(api, body):
    post(api)
    assert post(api, body=body).json()["code"] == "idempotency_key_reused"


def test_another_path_under_the_key_is_422(api):
    pk = post(api).json()["id"]
    for path, body in (("/emails/batch", [EMAIL]), (f"/emails/{pk}/cancel", None), (f"/emails/{pk}/resend", None)):
        answer = post(api, body=body, path=path)
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


def test_the_key_of_another_project_is_its_own(api, other_api):
    assert post(api).json()["id"] != post(other_api).json()["id"]
    assert not is_replay(post(other_api, "k2"))


def test_two_keys_of_one_project_share_it(api, make_api):
    assert post(api).json()["id"] == post(make_api()).json()["id"]


def test_a_refused_request_stores_nothing_and_may_be_corrected(api):
    assert post(api, body={**EMAIL, "to": "nobody"}).status_code == 422
    assert post(api, body=b"{").status_code == 400
    assert not IdempotencyKey.objects.exists()
    assert (post(api).status_code, is_replay(post(api))) == (202, True)


def test_after_24_hours_the_key_is_free(api):
    pk = post(api).json()["id"]
    age(hours=23, minutes=59)
    assert post(api).json()["id"] == pk
    age(minutes=1)
    fresh = post(api, body={**EMAIL, "subject": "Other"})
    assert (fresh.status_code, is_replay(fresh)) == (202, False)
    assert fresh.json()["id"] != pk
    assert IdempotencyKey.objects.count() == 1


def test_only_aged_keys_are_purged(api):
    post(api, "old")
    age(hours=24)
    post(api, "new")
    assert idempotency.purge_keys() == 1
    assert IdempotencyKey.objects.get().key == "new"


def test_a_batch_is_accepted_once(api):
    batch = [EMAIL, {**EMAIL, "to": "two@rcpt.test"}]
    first, second = (post(api, body=batch, path="/emails/batch") for _ in range(2))
    assert (first.json(), is_replay(second)) == (second.json(), True)
    assert Message.objects.count() == 2
    other = post(api, body=batch, path="/emails/batch?mode=permissive")
    assert other.json()["code"] == "idempotency_key_reused"


def test_a_cancel_answers_alike_again(api):
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    pk = api.post("/emails", {**EMAIL, "scheduled_at": later}).json()["id"]
    first, second = (post(api, body=None, path=f"/emails/{pk}/cancel") for _ in range(2))
    assert (first.status_code, second.status_code, is_replay(second)) == (200, 200, True)
    assert second.json() == first.json()
    assert api.post(f"/emails/{pk}/cancel").status_code == 409


def test_a_refused_cancel_may_be_tried_again_under_its_key(api):
    pk = api.post("/emails", EMAIL).json()["id"]
    for _ in range(2):
        assert post(api, body=None, path=f"/emails/{pk}/cancel").status_code == 409
    assert not IdempotencyKey.objects.exists()


def test_a_resend_makes_one_email(api, settle_as):
    pk = api.post("/emails", EMAIL).json()["id"]
    settle_as(pk, Status.BOUNCED)
    first, second = (post(api, body=None, path=f"/emails/{pk}/resend") for _ in range(2))
    assert (second.json(), second["Location"], is_replay(second)) == (first.json(), first["Location"], True)
    assert Message.objects.count() == 2


def test_reading_takes_no_notice_of_a_key(api):
    for _ in range(2):
        answer = api.get("/emails", Idempotency_Key="x" * 999)
        assert (answer.status_code, is_replay(answer)) == (200, False)
