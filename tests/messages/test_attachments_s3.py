"""Attachments in S3, of which moto is the stand-in: the promises of any storage, kept by the real client."""

from base64 import b64encode
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest
from django.db.models import F
from moto.server import ThreadedMotoServer

from emailsvc.environment import Environment
from messages.attachments import open_storage, sweep_attachments
from messages.lifetimes.erasures import run_erasures
from messages.models import AttachmentContent, Message, Upload
from tests.conftest import ApiClient

pytestmark = pytest.mark.django_db
EMAIL = {"from_": "shop@mine.test", "to": "one@rcpt.test", "subject": "Hi", "text": "Hello."}
FILES = "django.core.files.storage.FileSystemStorage"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(address: str, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name, value in (
        ("AWS_ENDPOINT_URL", address),
        ("AWS_ACCESS_KEY_ID", "a"),
        ("AWS_SECRET_ACCESS_KEY", "b"),
        ("AWS_DEFAULT_REGION", "eu-central-1"),
    ):
        monkeypatch.setenv(name, value)
    made = boto3.resource("s3").Bucket(f"mail-{uuid4()}")
    made.create(CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    settings.ATTACHMENT_STORAGE, settings.ATTACHMENT_BUCKET = "s3", made.name
    yield made
    open_storage.cache_clear()


def post(api: ApiClient, *contents: bytes) -> Any:
    files = [
        {"filename": "a.bin", "content_type": "application/x-x", "content_b64": b64encode(content).decode()}
        for content in contents
    ]
    return api.post("/emails", {**EMAIL, "attachments": files})


def keys_in(bucket: Any) -> list[str]:
    return [each.key for each in bucket.objects.all()]


def age() -> None:
    """As if an hour and a half had passed."""
    for model in (AttachmentContent, Upload):
        model.objects.update(created_at=F("created_at") - timedelta(minutes=90))


def read_back(api: ApiClient, body: Any) -> list[bytes]:
    return [api.get(f"/emails/{body['id']}/attachments/{file['id']}").content for file in body["attachments"]]


def test_files_are_written_read_and_removed_with_their_last_mail(api: ApiClient, bucket: Any) -> None:
    body = post(api, b"one", b"two", b"one").json()
    assert read_back(api, body) == [b"one", b"two", b"one"]
    assert set(keys_in(bucket)) == set(AttachmentContent.objects.values_list("storage_name", flat=True))
    assert set(AttachmentContent.objects.values_list("data", flat=True)) == {None}
    assert not Upload.objects.exists()
    Message.objects.all().delete()
    age()
    assert sweep_attachments() == 4
    assert keys_in(bucket) == []


def test_an_erased_persons_files_leave_the_bucket(api: ApiClient, bucket: Any) -> None:
    post(api, b"for one")
    assert api.post("/erasures", {"address": "one@rcpt.test"}).status_code < 300
    run_erasures()
    age()
    sweep_attachments()
    assert keys_in(bucket) == []


def test_a_bucket_that_is_not_there_refuses_the_mail_whole(api: ApiClient, bucket: Any, settings: Any) -> None:
    settings.ATTACHMENT_BUCKET = "no-such-bucket"
    answer = post(api, b"one")
    assert (answer.status_code, answer.json()["code"]) == (503, "storage_away")
    assert not Message.objects.exists()
    settings.ATTACHMENT_BUCKET = bucket.name
    age()
    sweep_attachments()
    assert not Upload.objects.exists()


def test_what_is_in_postgresql_and_in_a_folder_is_read_beside_s3(
    api: ApiClient, bucket: Any, settings: Any, tmp_path: Path
) -> None:
    settings.ATTACHMENT_STORAGE = ""
    bodies = [post(api, b"in PostgreSQL").json()]
    settings.MEDIA_ROOT, settings.ATTACHMENT_STORAGE = str(tmp_path), FILES
    bodies.append(post(api, b"in a folder").json())
    settings.ATTACHMENT_STORAGE = f"s3, {FILES}"
    bodies.append(post(api, b"in S3").json())
    settings.ATTACHMENT_STORAGE = f"postgresql,{settings.ATTACHMENT_STORAGE}"
    bodies.append(post(api, b"again").json())
    assert [read_back(api, body) for body in bodies] == [[b"in PostgreSQL"], [b"in a folder"], [b"in S3"], [b"again"]]
    assert (len(keys_in(bucket)), len([each for each in tmp_path.rglob("*") if each.is_file()])) == (1, 1)
    Message.objects.all().delete()
    age()
    sweep_attachments()
    assert keys_in(bucket) == [each for each in tmp_path.rglob("*") if each.is_file()] == []


def test_s3_needs_its_bucket_and_its_libraries(api: ApiClient, bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="must name the bucket"):
        Environment(ATTACHMENT_STORAGE="s3", ATTACHMENT_BUCKET="")
    open_storage.cache_clear()
    monkeypatch.setattr("delivery.optional.is_installed", lambda package: package != "storages")
    assert post(api, b"one").json()["code"] == "storage_away"
    assert api.post("/emails", EMAIL).status_code == 202
