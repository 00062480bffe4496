"""The index of the searched columns, which needs the extension pg_trgm. Without it a search reads all messages."""

from django.db import DatabaseError, connection, transaction

from ledger.sql import execute, fetch_value
from messages.models import Subject

EXTENSION = "pg_trgm"
INDEX = "subject_searched"
_HAS_EXTENSION = "SELECT EXISTS (SELECT FROM pg_extension WHERE extname = %s)"
_HAS_INDEX = "SELECT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass(%s) AND indisvalid)"
_UNFILLED = "SELECT EXISTS (SELECT FROM mail_subject WHERE recipients IS NULL)"
MEND = "run CREATE EXTENSION pg_trgm in this database as a user who may, then `manage prepare`"


def has_extension() -> bool:
    return bool(fetch_value(_HAS_EXTENSION, [EXTENSION]))


def has_index() -> bool:
    return bool(fetch_value(_HAS_INDEX, [INDEX]))


def is_filling() -> bool:
    """Whether some messages of an earlier release cannot be searched by all words yet."""
    return bool(fetch_value(_UNFILLED))


def find_search_obstacle() -> str:
    """The reason for slow searches; empty if there is none. MEND is what mends it."""
    if has_index():
        return ""
    missing = f"the index {INDEX}" if has_extension() else f"the extension {EXTENSION}"
    return f"{missing} is missing, so searches of messages are slow"


def ensure_index() -> bool:
    """Make the index where it is missing and the database allows it. Returns whether it is there.

    Takes minutes where there are millions of messages; mail is accepted meanwhile. Call it outside of transactions.
    """
    if has_index():
        return True
    try:
        with transaction.atomic():
            execute(f"CREATE EXTENSION IF NOT EXISTS {EXTENSION}")
    except DatabaseError:
        # The right, or the extension's file, is missing: `find_search_obstacle` tells it.
        return False
    index = next(index for index in Subject._meta.indexes if index.name == INDEX)
    # One that was interrupted is there, but of no use.
    execute(f"DROP INDEX CONCURRENTLY IF EXISTS {INDEX}")
    with connection.schema_editor(atomic=False) as editor:
        editor.execute(index.create_sql(Subject, editor, concurrently=True))
    return True
