"""`POST /api/v1/emails` with a large body, as our web server hands it over: in a file."""

import json
from base64 import b64encode
from random import Random
from tempfile import TemporaryFile
from typing import Any

import pytest
from django.http import HttpResponse

from messages.models import AttachmentContent, Message
from tests.conftest import ApiClient

pytestmark = pytest.mark.django_db

CONTENT = Random(1).randbytes(1_000_000)
TEXT = b64encode(CONTENT).decode()


@pytest.fixture(autouse=True)
def _any_sender(settings: Any) -> None:
    settings.TRUSTED_SENDER_DOMAINS = ["mine.test"]


def email(content: str = TEXT, **fields: object) -> dict[str, object]:
    file = {"filename": "a.bin", "content_type": "application/octet-stream", "content_b64": content}
    usual = {"to": "one@rcpt.test", "from_": "shop@mine.test", "subject": "Hi", "text": "x"}
    return {**usual, "attachments": [file], **fields}


def post_file(api: ApiClient, path: str, body: object, **headers: str) -> HttpResponse:
    with TemporaryFile(buffering=0) as file:
        data = json.dumps(body).encode()
        file.write(data)
        file.seek(0)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        given["Authorization"] = f"Bearer {api.token}"
        extra: dict[str, Any] = {"wsgi.input": file, "CONTENT_LENGTH": str(len(data))}
        return api.client.generic(
            "POST", f"/api/v1{path}", b"x", content_type="application/json", headers=given, **extra
        )


def test_a_large_file_is_stored_as_it_was_sent(api: ApiClient) -> None:
    answer = post_file(api, "/emails", email())
    assert answer.status_code == 202, answer.content
    (shown,) = answer.json()["attachments"]
    assert shown["size"] == len(CONTENT)
    assert bytes(AttachmentContent.objects.get().data or b"") == CONTENT


def test_a_storage_gets_it_too(api: ApiClient, settings: Any, tmp_path: Any) -> None:
    settings.MEDIA_ROOT = str(tmp_path)
    settings.ATTACHMENT_STORAGE = "django.core.files.storage.FileSystemStorage"
    assert post_file(api, "/emails/batch", [email(), email()]).status_code == 202
    stored = AttachmentContent.objects.get()
    assert (tmp_path / stored.storage_name).read_bytes() == CONTENT
    assert stored.size == len(CONTENT)


def test_a_repeated_request_is_recognised_in_either_form(api: ApiClient) -> None:
    first = post_file(api, "/emails", email(), Idempotency_Key="one")
    again = api.post("/emails", email(), Idempotency_Key="one")
    third = post_file(api, "/emails", email(), Idempotency_Key="one")
    assert {answer.json()["id"] for answer in (first, again, third)} == {first.json()["id"]}
    assert again["Idempotency-Replayed"] == third["Idempotency-Replayed"] == "true"
    other = post_file(api, "/emails", email(TEXT[:-4] + "AAA="), Idempotency_Key="one")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("content", "fields"),
    [
        (TEXT[:-1], {}),
        (TEXT + "A", {}),
        ("data:" + TEXT, {}),
        (TEXT.replace("A", "-"), {}),
        (TEXT * 6, {}),
        (TEXT, {"attachments": [{"filename": "a", "content_type": "message/rfc822", "content_b64": TEXT}]}),
        (TEXT, {"subject": TEXT}),
        (TEXT, {"unknown": TEXT}),
        (TEXT, {"attachments": [{"filename": TEXT, "content_type": "a/b", "content_b64": TEXT}]}),
    ],
)
def test_errors_are_those_of_a_body_in_memory(api: ApiClient, content: str, fields: dict[str, object]) -> None:
    answers = [post_file(api, "/emails", email(content, **fields)), api.post("/emails", email(content, **fields))]
    problems = [answer.json() | {"request_id": ""} for answer in answers]
    assert problems[0] == problems[1]
    assert answers[0].status_code == 422
    assert not Message.objects.exists()


def test_a_body_in_a_file_is_bounded(api: ApiClient) -> None:
    answer = post_file(api, "/emails", email(text="x" * 17_000_000))
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
