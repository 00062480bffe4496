"""Encrypts every stored secret with the newest of ENCRYPTION_KEYS, so that older keys can be removed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from uuid import UUID

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.apps import apps
from django.conf import settings
from django.db import models, transaction
from django.db.models.functions import Cast

from common.fields import EncryptedTextField

BATCH = 200


@dataclass(slots=True, kw_only=True)
class RotationResult:
    """Counts for one column's secrets: encrypted anew, already under the newest key, unreadable with any key."""

    model: str
    column: str
    rotated_count: int = 0
    current_count: int = 0
    unreadable_ids: list[str] = field(default_factory=list)


def list_secret_columns() -> Iterator[tuple[type[models.Model], str]]:
    """Every encrypted column of every installed app."""
    for model in apps.get_models(include_auto_created=True):
        for column in model._meta.local_concrete_fields:
            if isinstance(column, EncryptedTextField):
                yield model, column.attname


def rekey_column(model: type[models.Model], name: str, progress: Callable[[int, int], None]) -> RotationResult:
    """Encrypt one column with the newest key, in batches of one transaction each; it can be interrupted and repeated.

    `progress(done, total)` is called after each batch. Secrets that no key decrypts stay unchanged.
    """
    rekeyed = RotationResult(model=model._meta.label, column=name)
    rows = secrets_of(model, name)
    total = rows.count()
    done, last = 0, None
    while batch := rekey_batch(rows if last is None else rows.filter(pk__gt=last), name, rekeyed):
        done, last = done + len(batch), batch[-1]
        progress(done, total)
    return rekeyed


def secrets_of(model: type[models.Model], name: str) -> models.QuerySet[models.Model]:
    """The rows with a secret, by id, with the stored ciphertext as `token`."""
    rows: models.QuerySet[models.Model] = model._base_manager.filter(**{f"{name}__isnull": False})
    stored: models.QuerySet[models.Model] = rows.annotate(token=Cast(name, models.TextField())).order_by("pk")
    return stored


@transaction.atomic
def rekey_batch(rows: models.QuerySet[models.Model], name: str, rekeyed: RotationResult) -> list[UUID | int]:
    """The ids that were checked, at most `BATCH`; empty at the end."""
    batch: list[tuple[UUID | int, str]] = list(rows.select_for_update().values_list("pk", "token")[:BATCH])
    newest = Fernet(settings.ENCRYPTION_KEYS[0])
    every = MultiFernet([Fernet(key) for key in settings.ENCRYPTION_KEYS])
    for pk, token in batch:
        if opens(newest, token):
            rekeyed.current_count += 1
        elif not opens(every, token):
            rekeyed.unreadable_ids.append(str(pk))
        else:
            rotated = models.Value(every.rotate(token).decode(), output_field=models.TextField())
            rows.model._base_manager.filter(pk=pk).update(**{name: rotated})
            rekeyed.rotated_count += 1
    return [pk for pk, _ in batch]


def opens(key: Fernet | MultiFernet, token: str) -> bool:
    try:
        key.decrypt(token)
    except InvalidToken:
        return False
    return True
