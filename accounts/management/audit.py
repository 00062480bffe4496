"""The audit log's entries of commands that work in several transactions."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction

from accounts.models import AuditEntry
from accounts.services import write_audit


@contextmanager
def audited_parts(action: str, obj: object, **data: object) -> Iterator[dict[str, object]]:
    """Record a command that commits its work in parts: the entry is written first, and its result is added at the end.

    A crash meanwhile leaves an entry without a result, but never a change without an entry. The caller puts the result
    into the yielded dict; without one, nothing has been changed, and the entry is taken back.
    """
    with transaction.atomic():
        entry = write_audit("command", action, obj, **data)
    result: dict[str, object] = {}
    yield result
    with transaction.atomic():
        entries = AuditEntry.objects.filter(pk=entry.pk)
        if result:
            entries.update(data={**data, **result})
        else:
            entries.delete()
