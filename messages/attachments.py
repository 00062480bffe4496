"""Storage of attachments' bytes: PostgreSQL by default, or any Django storage. A project stores each content once."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from hashlib import sha256
from http import HTTPStatus
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.files.base import ContentFile
from django.core.files.base import File as DjangoFile
from django.core.files.storage import Storage
from django.db.models.functions import Now
from django.utils.module_loading import import_string

from common.errors import ApiError
from common.ids import new_id
from common.large_json.spooled import SpooledBytes
from delivery.optional import ExtraMissingError, load_when_used, require_extra
from ledger.rows import Part, Text
from ledger.sql import fetch_column, fetch_value
from messages.models import Attachment, AttachmentContent, Upload

log = structlog.get_logger(__name__)

# Names in ATTACHMENT_STORAGE beside the paths of classes.
S3, POSTGRESQL = "s3", "postgresql"
CONNECT_SECONDS, READ_SECONDS, TRIES = 3, 15, 3
# The sweep removes content that no message names after this time: the upload comes before the message's commit.
ORPHAN_AGE = timedelta(hours=1)


class StorageAwayError(ApiError):
    """The storage of attachments is unavailable at the moment. Retry the request."""

    code = "storage_away"
    status = HTTPStatus.SERVICE_UNAVAILABLE

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "5"})


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """An attachment as it was accepted; its content is decoded, in memory or in a file."""

    filename: str
    content_type: str
    content: bytes | SpooledBytes
    content_id: str = ""

    @property
    def digest(self) -> bytes:
        return sha256(self.content).digest() if isinstance(self.content, bytes) else self.content.digest

    @property
    def size(self) -> int:
        return len(self.content) if isinstance(self.content, bytes) else self.content.size

    def read(self) -> bytes:
        return self.content if isinstance(self.content, bytes) else self.content.read()

    def open(self) -> "DjangoFile[bytes]":
        """The content for a storage, which reads it in pieces."""
        if isinstance(self.content, bytes):
            return ContentFile(self.content)
        self.content.file.seek(0)
        return DjangoFile(self.content.file)


def find_storages() -> list[Storage | None]:
    """The storages of the setting ATTACHMENT_STORAGE; None stands for PostgreSQL, which is the default.

    The first one takes new files, the others may have earlier ones. Raises StorageAwayError without the libraries.
    """
    names = [name.strip() for name in settings.ATTACHMENT_STORAGE.split(",") if name.strip()] or [POSTGRESQL]
    try:
        return [None if name == POSTGRESQL else open_storage(name, settings.ATTACHMENT_BUCKET) for name in names]
    except ExtraMissingError as error:
        log.error("attachment_storage_failed", error=str(error))  # noqa: TRY400  the sentence says it all
        raise StorageAwayError from error


def find_file_storages() -> list[Storage]:
    return [storage for storage in find_storages() if storage is not None]


@cache
def open_storage(name: str, bucket: str) -> Storage:
    """One for all threads, as Django's own: a client of S3 takes a tenth of a second to make."""
    storage: Storage = build_s3(bucket) if name == S3 else import_string(name)()
    return storage


def build_s3(bucket: str) -> Storage:
    """S3, or what speaks like it, with time limits that a request can wait for. Raises ExtraMissingError."""
    require_extra("s3", "S3")
    limits = load_when_used("botocore.config").Config(
        connect_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS, retries={"total_max_attempts": TRIES}
    )
    storage: Storage = load_when_used("storages.backends.s3").S3Storage(
        bucket_name=bucket,
        default_acl=None,
        # Each name is used once: it need not be asked for before.
        file_overwrite=True,
        client_config=limits,
    )
    return storage


def upload(project_id: UUID, files: Sequence[File]) -> dict[bytes, str]:
    """Upload new contents to the storage, before the transaction that names them.

    Returns the storage name by SHA-256 digest, for new contents only; an empty dict when PostgreSQL keeps the bytes.
    Each file has a unique name, and `Upload` records that name before the write. After a crash, a rejected request or a
    faster request with the same content, either a content names the whole file or the sweep removes it.
    Raises StorageAwayError when the storage rejects the write.
    """
    distinct = {file.digest: file for file in files}
    storage = find_storages()[0] if distinct else None
    if storage is None:
        return {}
    # A fresh `created_at` protects present contents from the sweep until this request has used them.
    known = set(map(bytes, fetch_column(_TOUCH, [project_id, list(distinct)])))
    return {
        digest: write_file(storage, f"attachments/{project_id}/{new_id()}", file)
        for digest, file in distinct.items()
        if digest not in known
    }


def write_file(storage: Storage, name: str, file: File) -> str:
    """Record the name, write the file, and return the name that the storage gave it. Raises StorageAwayError."""
    Upload.objects.create(name=name)
    try:
        written = storage.save(name, file.open())
    except Exception as error:
        # Each storage has exceptions of its own.
        log.warning("attachment_storage_failed", error=type(error).__name__)
        raise StorageAwayError from error
    if written != name:
        Upload.objects.create(name=written)
    return written


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFiles:
    """The distinct contents of a request's attachments, and where `upload` put those that the storage has."""

    project_id: UUID
    files: Sequence[File]
    uploaded: Mapping[bytes, str]


# A content of the project is reused. The update of `created_at` locks its row, so that the sweep cannot remove it; the
# order of the digests prevents deadlocks between two statements.
_CONTENTS = """
contents AS (
    INSERT INTO mail_attachmentcontent (id, project_id, sha256, size, data, storage_name, created_at)
    SELECT v.id, {0}::uuid, v.sha256, v.size, v.data, v.storage_name, now()
    FROM unnest({1}::uuid[], {2}::bytea[], {3}::int[], {4}::bytea[], {5}::text[])
        AS v(id, sha256, size, data, storage_name), SOURCE
    ORDER BY v.sha256
    ON CONFLICT (project_id, sha256) DO UPDATE SET created_at = now()
    RETURNING id, sha256, storage_name, xmax = 0 AS is_new
)
"""
_USED = """
used AS (
    DELETE FROM mail_upload u USING contents c WHERE c.is_new AND c.storage_name <> '' AND u.name = c.storage_name
)
"""
_ATTACHMENTS = """
attachments AS (
    INSERT INTO mail_attachment (id, message_id, content_id, position, filename, content_type, cid)
    SELECT v.id, v.message_id, c.id, v.position, v.filename, v.content_type, v.cid
    FROM unnest({0}::uuid[], {1}::uuid[], {2}::bytea[], {3}::smallint[], {4}::text[], {5}::text[], {6}::text[])
        AS v(id, message_id, sha256, position, filename, content_type, cid)
    JOIN contents c ON c.sha256 = v.sha256
)
"""


def file_parts(new: NewFiles, rows: Sequence[Attachment], source: str) -> list[Part]:
    """The parts of a statement (`ledger.rows`) that store attachments and their contents, if `source` has a row."""
    distinct = {file.digest: file for file in new.files}
    names = [new.uploaded.get(digest, "") for digest in distinct]
    contents = [
        [new_id() for _ in distinct],
        list(distinct),
        [file.size for file in distinct.values()],
        [None if name else file.read() for name, file in zip(names, distinct.values(), strict=True)],
        names,
    ]
    attachments = [
        [row.pk for row in rows],
        [row.message_id for row in rows],
        [row.content.sha256 for row in rows if row.content],
        [row.position for row in rows],
        [row.filename for row in rows],
        [row.content_type for row in rows],
        [row.cid for row in rows],
    ]
    return [
        (Text(_CONTENTS.replace("SOURCE", source), 6), [new.project_id, *contents]),
        (Text(_USED), []),
        (Text(_ATTACHMENTS, 7), attachments),
    ]


def read_content(content: AttachmentContent) -> bytes:
    """Read the bytes from PostgreSQL or from the storage. Raises StorageAwayError when the storage cannot be read."""
    if content.data is not None:
        return bytes(content.data)
    storages = find_file_storages()
    if not storages:
        raise ImproperlyConfigured("ATTACHMENT_STORAGE is unset, but contents were stored there")
    try:
        return read_stored_file(storages, content.storage_name)
    except Exception as error:
        log.exception("attachment_storage_failed")
        raise StorageAwayError from error


def read_stored_file(storages: Sequence[Storage], name: str) -> bytes:
    """The bytes of a file, from the first storage that has it."""
    for storage in storages:
        with suppress(FileNotFoundError), storage.open(name) as file:
            data: Any = file.read()
            return bytes(data)
    raise FileNotFoundError("no storage has the file")


_TOUCH = """
UPDATE mail_attachmentcontent SET created_at = now() WHERE project_id = %s AND sha256 = ANY(%s) RETURNING sha256
"""
# The same statement deletes the content and records its file name, so that a crash leaves no unknown file.
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
    """Remove contents that no message has named for an hour, and files that no content names. Returns their number."""
    return int(fetch_value(_SWEEP, [ORPHAN_AGE])) + sweep_files()


def sweep_files() -> int:
    """Remove recorded files from the storage and return their number. A failed removal is retried at the next sweep."""
    storages, count = find_file_storages(), 0
    if not storages:
        return 0
    old = Upload.objects.filter(created_at__lt=Now() - ORPHAN_AGE).order_by("created_at")
    for name in list(old.values_list("name", flat=True)):
        try:
            for storage in storages:
                storage.delete(name)
        except Exception as error:  # noqa: BLE001  each storage has exceptions of its own
            log.warning("attachment_storage_failed", error=type(error).__name__)
            continue
        count += Upload.objects.filter(name=name).delete()[0]
    return count
