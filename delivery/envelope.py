"""What is handed to a way out, what comes back, and the port between the two."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Protocol
from uuid import UUID


class Outcome(StrEnum):
    """What an attempt means for its recipient."""

    ACCEPTED = "accepted"  # a relay or ESP took it and will carry it on
    DELIVERED = "delivered"  # the recipient's own MX took it
    DEFERRED = "deferred"  # not now; try again
    BOUNCED = "bounced"  # the recipient was refused for good
    FAILED = "failed"  # our fault or the provider's, for good
    UNCERTAIN = "uncertain"  # the line broke between the final dot and the answer (RFC 1047)


class Stage(StrEnum):
    """Where in the conversation the reply was given."""

    CONNECT = "connect"
    GREETING = "greeting"
    EHLO = "ehlo"
    TLS = "tls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    DOT = "dot"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One message for one envelope recipient.

    `content` is the whole RFC 5322 message with CRLF line ends, not dot-stuffed. `return_path` may be empty (`<>`).
    `attempt_number` counts from 1. With an `envelope_id` (printable ASCII, at most 100 characters) the other side is
    asked to report what becomes of the mail, under that id, where it can (DSN, RFC 3461).
    """

    recipient_id: UUID
    message_id: UUID
    return_path: str
    address: str
    content: bytes
    attempt_number: int = 1
    envelope_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the other side said, or what we say in its place, and what it means.

    `code` is the SMTP code or HTTP status, None when nobody answered. `text` is for people and never holds message
    content. `has_reached` tells whether the provider gave any answer about this mail (a refused connection did not).
    `should_suppress` marks a hard mailbox bounce; `should_pause` a fault of the provider's configuration, such as
    refused credentials, that no other mail would survive either; `should_slow` a host that wants less of us for now
    (421, 454). `retry_after` is how long the other side asked us to wait. `remote_id` is the other side's own name for
    the mail, by which it speaks of it later.
    """

    outcome: Outcome
    stage: Stage
    code: int | None = None
    enhanced_code: str = ""
    text: str = ""
    remote_host: str = ""
    tls: str = ""
    has_reached: bool = False
    should_suppress: bool = False
    should_pause: bool = False
    should_slow: bool = False
    retry_after: timedelta | None = None
    remote_id: str = ""


BeforeDot = Callable[[Collection[UUID]], Collection[UUID]]


class Transport(Protocol):
    """A way out. One instance may be used by many threads at once; each call holds its own conversation.

    No exception for anything that the other side or the network does: that is a `Reply`.
    """

    def transmit(self, deliveries: Sequence[Delivery], before_dot: BeforeDot) -> Iterator[tuple[UUID, Reply]]:
        """Hand over `deliveries`, yielding exactly one reply for each recipient as it comes.

        Before the step that cannot be taken back (the final dot, an ESP's request body) `before_dot(ids)` is called;
        only the ids that it returns may be sent. The others are no longer ours: nothing is yielded for them.
        """

    def close(self) -> None:
        """End all kept-open connections."""
