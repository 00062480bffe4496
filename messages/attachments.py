"""Attachments' bytes: in PostgreSQL by default, or in any Django storage, once for each content of a project."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import Storage
from django.db.models.functions import Now
from django.utils.module_loading import import_string

from ledger.sql import fetch
from messages.models import AttachmentContent

# Content that no message names is swept after this: an upload to the storage comes before its message's commit.
ORPHAN_AGE = timedelta(hours=1)


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

    A crash before the commit leaves a content that nobody names, which the sweep removes; the other order would leave
    a message whose attachment is missing.
    """
    storage = find_storage()
    if storage is None:
        return {}
    names: dict[bytes, str] = {}
    for file in files:
        if file.digest not in names:
            path = f"attachments/{project_id}/{file.digest.hex()}"
            names[file.digest] = path if storage.exists(path) else storage.save(path, ContentFile(file.content))
    return names


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
        row, _ = AttachmentContent.objects.update_or_create(
            project_id=project_id,
            sha256=digest,
            defaults={"created_at": Now()},
            create_defaults={"size": len(file.content), "data": None if name else file.content, "storage_name": name},
        )
        rows[digest] = row
    return rows


def read_content(content: AttachmentContent) -> bytes:
    """The bytes, from wherever they are."""
    if content.data is not None:
        return bytes(content.data)
    storage = find_storage()
    if storage is None:
        raise FileNotFoundError(f"ATTACHMENT_STORAGE is unset, but {content.storage_name} was stored there")
    with storage.open(content.storage_name) as file:
        data: Any = file.read()
    return bytes(data)


_SWEEP = """
DELETE FROM mail_attachmentcontent c
WHERE c.created_at < now() - %s AND NOT EXISTS (SELECT 1 FROM mail_attachment a WHERE a.content_id = c.id)
RETURNING c.storage_name
"""


def sweep_attachments() -> int:
    """Remove contents that no message has named for an hour; returns how many."""
    names = [row[0] for row in fetch(_SWEEP, [ORPHAN_AGE])]
    storage = find_storage()
    for name in filter(None, names):
        if storage is not None:
            storage.delete(name)
    return len(names)
