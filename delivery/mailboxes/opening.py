"""Opens the mailbox at an address."""

import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from delivery.mailboxes.connection import Connection
from delivery.mailboxes.imap import ImapMailbox
from delivery.mailboxes.model import MailboxAddress, MailboxClient, MailboxLimits
from delivery.mailboxes.pop3 import Pop3Mailbox
from delivery.ssrf import Guard
from delivery.tls import make_client_context

PORTS = {"imaps": 993, "pop3s": 995}
_CLIENTS: Mapping[str, Callable[[Connection, MailboxAddress, MailboxLimits], MailboxClient]] = {
    "imaps": ImapMailbox,
    "pop3s": Pop3Mailbox,
}


@contextmanager
def open_mailbox(
    address: MailboxAddress,
    *,
    guard: Guard | None,
    limits: MailboxLimits | None = None,
    context: ssl.SSLContext | None = None,
) -> Iterator[MailboxClient]:
    """The mailbox, logged in, for the block. Without `close` nothing is deleted. Raises MailboxError.

    The guard judges the host's addresses; None admits all. By default certificates are checked as everywhere.
    """
    limits = limits or MailboxLimits()
    connection = Connection(address, limits, context or make_client_context(), guard)
    try:
        yield _CLIENTS[address.protocol](connection, address, limits)
    finally:
        connection.close()
