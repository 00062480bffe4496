"""Attachments in a Django storage: complete or absent after any failure, and nothing is left behind."""

from base64 import b64encode
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db.models import F

from accounts.models import IdempotencyKey
from messages.attachments import sweep_attachments
from messages.models import Attachment, AttachmentContent, Message, Upload
from messages.states import Status
from tests.conftest import ApiClient

pytestmark = pytest.mark.django_db
EMAIL = {"from_": "shop@mine.test", "to": "one@rcpt.test", "subject": "Hi", "text": "Hello."}
FILES = "django.core.files.storage.FileSystemStorage"


@pytest.fixture
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = str(tmp_path)
    settings.ATTACHMENT_STORAGE = FILES
    return tmp_path


def post(api: ApiClient, *contents: bytes, **headers: str) -> Any:
    files = [
        {"filename": f"{index}.bin", "content_type": "application/x-x", "content_b64": b64encode(content).decode()}
        for index, content in enumerate(contents)
    ]
    return api.post("/emails", {**EMAIL, "attachments": files}, **headers)


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def age() -> None:
    """As if an hour and a half had passed."""
    for model in (AttachmentContent, Upload):
        model.objects.update(created_at=F("created_at") - timedelta(minutes=90))


def read_back(api: ApiClient, body: Any) -> Iterator[bytes]:
    for file in body["attachments"]:
        yield api.get(f"/emails/{body['id']}/attachments/{file['id']}").content


def test_bytes_go_to_the_storage_and_come_back(api: ApiClient, folder: Path) -> None:
    body = post(api, b"one", b"two").json()
    assert list(read_back(api, body)) == [b"one", b"two"]
    assert sorted(path.read_bytes() for path in files_in(folder)) == [b"one", b"two"]
    assert set(AttachmentContent.objects.values_list("data", flat=True)) == {None}
    assert not Upload.objects.exists()


def test_equal_contents_are_one_file(api: ApiClient, folder: Path) -> None:
    for _ in range(2):
        body = post(api, b"same", b"same").json()
    assert list(read_back(api, body)) == [b"same", b"same"]
    assert len(files_in(folder)) == 1


def test_a_resend_shares_the_file(api: ApiClient, folder: Path) -> None:
    body = post(api, b"one").json()
    Message.objects.get().recipients.all().move_to(Status.DELIVERED)
    again = api.post(f"/emails/{body['id']}/resend").json()
    assert list(read_back(api, again)) == [b"one"]
    assert len(files_in(folder)) == 1


def test_a_storage_may_name_files_as_it_likes(api: ApiClient, folder: Path, settings: Any) -> None:
    settings.ATTACHMENT_STORAGE = "tests.messages.storages.RenamingStorage"
    body = post(api, b"one").json()
    assert list(read_back(api, body)) == [b"one"]
    assert AttachmentContent.objects.get().storage_name.startswith("renamed/")
    age()
    assert sweep_attachments() == 1
    assert list(read_back(api, body)) == [b"one"]


def test_an_email_whose_file_the_storage_does_not_take_is_refused_whole(
    api: ApiClient, folder: Path, settings: Any
) -> None:
    settings.ATTACHMENT_STORAGE = "tests.messages.storages.AwayStorage"
    answer = post(api, b"one", Idempotency_Key="k")
    assert (answer.status_code, answer.json()["code"]) == (503, "storage_away")
    assert int(answer["Retry-After"]) > 0
    for model in (Message, Attachment, AttachmentContent, IdempotencyKey):
        assert not model.objects.exists()
    settings.ATTACHMENT_STORAGE = FILES
    assert post(api, b"one", Idempotency_Key="k").status_code == 202


def test_a_file_cut_in_the_middle_is_never_used(api: ApiClient, folder: Path, settings: Any) -> None:
    settings.ATTACHMENT_STORAGE = "tests.messages.storages.HalfStorage"
    assert post(api, b"whole").status_code == 503
    settings.ATTACHMENT_STORAGE = FILES
    body = post(api, b"whole").json()
    assert list(read_back(api, body)) == [b"whole"]
    age()
    sweep_attachments()
    assert [path.read_bytes() for path in files_in(folder)] == [b"whole"]


def test_uploads_of_a_rejected_request_are_swept(api: ApiClient, folder: Path) -> None:
    batch = [{**EMAIL, "attachments": [{"filename": "a", "content_type": "text/plain", "content_b64": "YQ=="}]}]
    assert api.post("/emails/batch", batch, Idempotency_Key="k").status_code == 202
    Upload.objects.create(name="attachments/left/behind")
    (folder / "attachments/left").mkdir(parents=True)
    (folder / "attachments/left/behind").write_bytes(b"x")
    assert sweep_attachments() == 0
    age()
    assert sweep_attachments() == 1
    assert [path.read_bytes() for path in files_in(folder)] == [b"a"]


def test_a_file_goes_when_the_last_message_with_it_is_gone(api: ApiClient, folder: Path) -> None:
    first, second = post(api, b"one").json(), post(api, b"one").json()
    for body, left in ((first, 1), (second, 0)):
        Message.objects.get(pk=body["id"]).delete()
        age()
        sweep_attachments()
        assert (AttachmentContent.objects.count(), len(files_in(folder))) == (left, left)


def test_a_file_that_cannot_be_removed_now_is_removed_later(api: ApiClient, folder: Path, settings: Any) -> None:
    post(api, b"one")
    Message.objects.all().delete()
    age()
    settings.ATTACHMENT_STORAGE = "tests.messages.storages.AwayStorage"
    sweep_attachments()
    assert len(files_in(folder)) == Upload.objects.count() == 1
    settings.ATTACHMENT_STORAGE = FILES
    sweep_attachments()
    assert len(files_in(folder)) == Upload.objects.count() == 0


def test_content_that_is_used_again_is_not_swept_under_its_user(api: ApiClient, folder: Path) -> None:
    post(api, b"one")
    Message.objects.all().delete()
    age()
    body = post(api, b"one").json()
    assert sweep_attachments() == 0
    assert list(read_back(api, body)) == [b"one"]


def test_a_storage_that_does_not_answer_is_503_for_readers(api: ApiClient, folder: Path, settings: Any) -> None:
    body = post(api, b"one").json()
    settings.ATTACHMENT_STORAGE = "tests.messages.storages.AwayStorage"
    answer = api.get(f"/emails/{body['id']}/attachments/{body['attachments'][0]['id']}")
    assert (answer.status_code, answer.json()["code"]) == (503, "storage_away")


def test_attachments_stored_before_the_setting_are_still_read(api: ApiClient, settings: Any, tmp_path: Path) -> None:
    body = post(api, b"in PostgreSQL").json()
    settings.MEDIA_ROOT, settings.ATTACHMENT_STORAGE = str(tmp_path), FILES
    assert list(read_back(api, body)) == [b"in PostgreSQL"]
    again = post(api, b"in PostgreSQL").json()
    assert list(read_back(api, again)) == [b"in PostgreSQL"]
    assert files_in(tmp_path) == []
