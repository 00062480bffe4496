"""An SMTP session: a connection that is ready for MAIL."""

import re
from collections.abc import Mapping
from time import monotonic

from delivery.envelope import Reply
from delivery.replies import Peer
from delivery.smtp.connection import Connection

_SIZE = re.compile(r"[0-9]{1,20}")  # RFC 1870, 4


class SessionRefusedError(Exception):
    """A session could not be opened; `reply` applies to every mail that waited for it."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.text)
        self.reply = reply


class Session:
    """A connection that is ready for MAIL, the server's extensions, and its usage."""

    __slots__ = (
        "can_8bit",
        "can_dsn",
        "can_pipeline",
        "connection",
        "has_size",
        "is_dirty",
        "message_count",
        "peer",
        "size_limit",
        "used_at",
    )

    def __init__(self, connection: Connection, offers: Mapping[str, str], peer: Peer) -> None:
        self.connection = connection
        self.peer = peer
        self.can_pipeline = "PIPELINING" in offers
        self.can_8bit = "8BITMIME" in offers
        self.can_dsn = "DSN" in offers
        self.has_size = "SIZE" in offers
        self.size_limit = int(offers["SIZE"]) if _SIZE.fullmatch(offers.get("SIZE", "")) else 0  # 0: none
        self.is_dirty = False  # a transaction is unfinished: send RSET before the next
        self.message_count = 0
        self.used_at = monotonic()
