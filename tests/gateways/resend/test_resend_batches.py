"""Batches by the real resend-python."""

import pytest
import resend
from resend.exceptions import MissingRequiredFieldsError, ResendError

from messages.models import Message
from tests.gateways.resend.conftest import BASE, EMAIL

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sdk")]
WRONG = {**EMAIL, "from": "shop"}


def subjects():
    return set(Message.objects.values_list("subject", flat=True))


def test_a_batch_is_accepted_in_its_order(sdk):
    answer = resend.Batch.send([{**EMAIL, "subject": str(number)} for number in range(3)])
    assert "errors" not in answer
    assert [Message.objects.get(pk=row["id"]).subject for row in answer["data"]] == ["0", "1", "2"]


def test_a_batch_takes_files_and_tags(sdk):
    files = [{"filename": "a.txt", "content": [104, 105]}]
    answer = resend.Batch.send([{**EMAIL, "attachments": files, "tags": [{"name": "a", "value": "b"}]}])
    email = Message.objects.get(pk=answer["data"][0]["id"])
    assert (email.metadata, email.attachments.get().content.size) == ({"a": "b"}, 2)


@pytest.mark.parametrize("options", [None, {"batch_validation": "strict"}])
def test_a_strict_batch_with_a_wrong_email_is_refused_as_a_whole(sdk, options):
    with pytest.raises(resend.exceptions.ValidationError, match=r"^\[1\]\.from: ") as raised:
        resend.Batch.send([EMAIL, WRONG], options)
    assert raised.value.code == 422
    assert subjects() == set()


def test_a_permissive_batch_accepts_the_valid_emails(sdk):
    emails = [WRONG, {**EMAIL, "subject": "good"}, {**EMAIL, "attachments": [{"filename": "a", "path": "https://x"}]}]
    answer = resend.Batch.send(emails, {"batch_validation": "permissive"})
    assert len(answer["data"]) == 1
    assert [error["index"] for error in answer["errors"]] == [0, 2]
    assert answer["errors"][0]["message"].startswith("from: ")
    assert answer["errors"][1]["message"].startswith("attachments[0].path: ")
    assert subjects() == {"good"}


def test_a_permissive_batch_without_errors_says_so(sdk):
    assert resend.Batch.send([EMAIL], {"batch_validation": "permissive"})["errors"] == []


def test_a_batch_without_any_valid_email_is_refused(sdk):
    with pytest.raises(MissingRequiredFieldsError, match=r"\[0\]\.to: "):
        resend.Batch.send([{**EMAIL, "to": []}], {"batch_validation": "permissive"})


@pytest.mark.parametrize("count", [0, 101])
def test_a_batch_has_one_to_a_hundred_emails(sdk, count):
    with pytest.raises(ResendError, match="1 to 100 emails"):
        resend.Batch.send([EMAIL] * count)


def test_a_mode_that_does_not_exist_is_refused(sdk):
    with pytest.raises(ResendError, match="x-batch-validation: Must be one of strict, permissive"):
        resend.Batch.send([EMAIL], {"batch_validation": "permisive"})
    assert subjects() == set()


def test_a_batch_may_be_repeated_with_its_key(sdk):
    options = {"idempotency_key": "batch/7", "batch_validation": "permissive"}
    first = resend.Batch.send([EMAIL, WRONG], options)
    again = resend.Batch.send([EMAIL, WRONG], options)
    assert (again["data"], again["errors"]) == (first["data"], first["errors"])
    assert Message.objects.count() == 1


@pytest.mark.parametrize("body", [EMAIL, [1], [[EMAIL]]])
def test_a_batch_is_a_list_of_objects(api, body):
    answer = api.post(f"{BASE}/emails/batch", body)
    assert (answer.status_code, answer.json()["name"]) == (422, "validation_error")
