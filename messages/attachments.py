"""Attachments' bytes: in PostgreSQL by default, or in any Django storage, once for each content of a project."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from http import HTTPStatus
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.files.base import ContentFile
from django.core.files.storage import Storage
from django.db.models.functions import Now
from django.utils.module_loading import import_string

from common.errors import ApiError
from common.ids import new_id
from ledger.sql import fetch, fetch_one
from messages.models import AttachmentContent, Upload

log = structlog.get_logger(__name__)

# Content that no message names is swept after this: an upload to the storage comes before its message's commit.
ORPHAN_AGE = timedelta(hours=1)


class StorageAwayError(ApiError):
    """The storage of attachments does not answer at the moment. Try again."""

    code = "storage_away"
    status = HTTPStatus.SERVICE_UNAVAILABLE

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "5"})


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """An attachment as it was accepted; `content` is decoded."""

    filename: str
    content_type: str
    content: bytes
    content_id: str = ""

    @property
    def digest(self) -> bytes:
        return sha256(self.content).digest()


def find_storage() -> Storage | None:
    """The storage of the setting ATTACHMENT_STORAGE, or None when PostgreSQL keeps the bytes."""
    if not settings.ATTACHMENT_STORAGE:
        return None
    storage: Storage = import_string(settings.ATTACHMENT_STORAGE)()
    return storage


def upload(project_id: UUID, files: Sequence[File]) -> dict[bytes, str]:
    """Put new contents into the storage, before the transaction that names them: (digest → name), empty without one.

    Each file has a name of its own, and is noted before it is written: whatever happens then (a crash, a refusal, a
    faster request with the same content), it is named by a content, whole, or swept. StorageAwayError when the storage
    does not take it.
    """
    storage = find_storage()
    distinct = {file.digest: file for file in files}
    if storage is None or not distinct:
        return {}
    # Touching keeps the sweep away from contents that are there until this request has used them.
    known = {bytes(row[0]) for row in fetch(_TOUCH, [project_id, list(distinct)])}
    return {
        digest: write_file(storage, f"attachments/{project_id}/{new_id()}", file.content)
        for digest, file in distinct.items()
        if digest not in known
    }


def write_file(storage: Storage, name: str, content: bytes) -> str:
    """Note and write a file; returns the name that the storage gave it."""
    Upload.objects.create(name=name)
    try:
        written = storage.save(name, ContentFile(content))
    except Exception as error:
        # Each storage has exceptions of its own.
        log.warning("attachment_storage_failed", error=type(error).__name__)
        raise StorageAwayError from error
    if written != name:
        Upload.objects.create(name=written)
    return written


def save_contents(
    project_id: UUID, files: Sequence[File], uploaded: Mapping[bytes, str]
) -> dict[bytes, AttachmentContent]:
    """Rows for contents, within the caller's transaction: (digest → row). What the project has already is used again.

    The present row's time is touched, which locks it: the sweep cannot remove it before this transaction ends.
    """
    distinct = {file.digest: file for file in files}
    rows: dict[bytes, AttachmentContent] = {}
    # One order for all, so that two transactions cannot wait for each other.
    for digest, file in sorted(distinct.items()):
        name = uploaded.get(digest, "")
        rows[digest], is_new = AttachmentContent.objects.update_or_create(
            project_id=project_id,
            sha256=digest,
            defaults={"created_at": Now()},
            create_defaults={"size": len(file.content), "data": None if name else file.content, "storage_name": name},
        )
        if is_new and name:
            Upload.objects.filter(name=name).delete()
    return rows


def read_content(content: AttachmentContent) -> bytes:
    """The bytes, from wherever they are. StorageAwayError when the storage does not give them."""
    if content.data is not None:
        return bytes(content.data)
    storage = find_storage()
    if storage is None:
        raise ImproperlyConfigured("ATTACHMENT_STORAGE is unset, but contents were stored there")
    try:
        with storage.open(content.storage_name) as file:
            data: Any = file.read()
    except Exception as error:
        log.exception("attachment_storage_failed")
        raise StorageAwayError from error
    return bytes(data)


_TOUCH = """
UPDATE mail_attachmentcontent SET created_at = now() WHERE project_id = %s AND sha256 = ANY(%s) RETURNING sha256
"""
# What is removed from the table is noted in the same statement, so that its file is found again after a crash.
_SWEEP = """
WITH gone AS (
    DELETE FROM mail_attachmentcontent c
    WHERE c.created_at < now() - %s AND NOT EXISTS (SELECT 1 FROM mail_attachment a WHERE a.content_id = c.id)
    RETURNING c.storage_name
), noted AS (
    INSERT INTO mail_upload (name, created_at) SELECT storage_name, '-infinity' FROM gone WHERE storage_name <> ''
)
SELECT count(*) FROM gone
"""


def sweep_attachments() -> int:
    """Remove contents that no message has named for an hour, and files that no content names; returns how many."""
    row = fetch_one(_SWEEP, [ORPHAN_AGE])
    assert row is not None
    return int(row[0]) + sweep_files()


def sweep_files() -> int:
    """Remove noted files from the storage; one that it does not remove stays noted for the next time."""
    storage, count = find_storage(), 0
    if storage is None:
        return 0
    old = Upload.objects.filter(created_at__lt=Now() - ORPHAN_AGE).order_by("created_at")
    for name in list(old.values_list("name", flat=True)):
        try:
            storage.delete(name)
        except Exception as error:  # noqa: BLE001  each storage has exceptions of its own
            log.warning("attachment_storage_failed", error=type(error).__name__)
            continue
        count += Upload.objects.filter(name=name).delete()[0]
    return count
