"""Looks for a row that has the same values, without an error of the database, whose log would show them."""

from django.db import models

from ledger.sql import fetch

# Who asks for the same values of the same table waits for the transaction that asked before.
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"


def is_taken(row: models.Model, **values: object) -> bool:
    """Whether another row has these values, which a constraint allows to one alone. Until the transaction ends the
    answer holds for all that ask here.
    """
    fetch(_LOCK, [f"{row._meta.db_table} {sorted(values.items())}"])
    return type(row)._base_manager.filter(**values).exclude(pk=row.pk).exists()
