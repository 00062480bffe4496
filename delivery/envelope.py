"""The port to providers: deliveries, replies, and the transport between them."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import field
from datetime import timedelta
from enum import StrEnum
from time import monotonic
from typing import Protocol
from uuid import UUID

from delivery.judging.consequences import should_pause, should_suppress
from delivery.judging.terms import About, Reason, Speaker
from delivery.mime.message import MessageContent
from delivery.records import record


class Outcome(StrEnum):
    """The meaning of an attempt's reply for the recipient."""

    ACCEPTED = "accepted"  # a relay or ESP accepted it and will forward it
    DELIVERED = "delivered"  # the recipient's own MX accepted it
    DEFERRED = "deferred"  # temporary failure; retry
    BOUNCED = "bounced"  # the recipient was rejected permanently
    FAILED = "failed"  # permanent failure caused by us or the provider
    UNCERTAIN = "uncertain"  # the connection broke between the final dot and the reply (RFC 1047)


class Stage(StrEnum):
    """The stage of the conversation at which the reply came."""

    CONNECT = "connect"
    GREETING = "greeting"
    EHLO = "ehlo"
    TLS = "tls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    DOT = "dot"


class ConversationClock:
    """Since when the conversation about a delivery lasts: `begun_at` in monotonic seconds, None before it has begun.

    It begins with the server's greeting, on a kept connection with MAIL, at an ESP when the connection stands. The
    conversation sets it, and other threads may read it.
    """

    __slots__ = ("begun_at",)

    def __init__(self) -> None:
        self.begun_at: float | None = None

    def begin(self) -> None:
        self.begun_at = monotonic()

    def end(self) -> None:
        """The connection is gone, and another one is tried."""
        self.begun_at = None


@record(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One message for one envelope recipient.

    `content` is the whole RFC 5322 message with CRLF line ends, not dot-stuffed; `has_pairs` tells that it was made so,
    and need not be searched for a lone CR or LF. `message` is what it was made from, with this recipient's own headers
    and bodies, for ways out that take parts and no bytes. `return_path` may be empty (`<>`). `attempt_number` counts
    from 1. With an `envelope_id` (printable ASCII, at most 100 characters) the other side is asked for delivery status
    notifications with that id, where it supports them (DSN, RFC 3461). The transport keeps `clock`.
    """

    recipient_id: UUID
    message_id: UUID
    return_path: str
    address: str
    content: bytes
    has_pairs: bool = False
    message: MessageContent | None = None
    attempt_number: int = 1
    envelope_id: str = ""
    clock: ConversationClock = field(default_factory=ConversationClock, compare=False)


@record(frozen=True, slots=True, kw_only=True)
class Reply:
    """The other side's reply, or ours in its place, and its meaning.

    `code` is the SMTP code or HTTP status, None without a response. `text` is for people and never holds message
    content. `has_reached` tells whether the provider replied about this mail (not so after a refused connection).
    `speaker`, `reason`, `about` and `is_for_good` are the judgement (`delivery.judging`); `should_suppress` and
    `should_pause` follow from it. `should_slow` marks a host that throttles us (421, 454). `retry_after` is the wait
    that the other side asked for. `remote_id` is the other side's id of the mail, which its later feedback contains.
    """

    outcome: Outcome
    stage: Stage
    code: int | None = None
    enhanced_code: str = ""
    text: str = ""
    remote_host: str = ""
    tls: str = ""
    has_reached: bool = False
    speaker: Speaker = Speaker.RELAY
    reason: Reason = Reason.UNKNOWN
    about: About | None = None
    is_for_good: bool = False
    should_slow: bool = False
    retry_after: timedelta | None = None
    remote_id: str = ""

    @property
    def should_suppress(self) -> bool:
        """Whether the address gets no more mail."""
        return should_suppress(self)

    @property
    def should_pause(self) -> bool:
        """Whether the provider rests: it refuses us, with all our mail."""
        return should_pause(self)


BeforeDot = Callable[[Collection[UUID]], Collection[UUID]]


class Transport(Protocol):
    """The code's interface to a provider. Instances are thread-safe; each call runs its own conversation.

    Failures of the other side or the network are a `Reply`, not an exception.
    """

    def transmit(self, deliveries: Sequence[Delivery], before_dot: BeforeDot) -> Iterator[tuple[UUID, Reply]]:
        """Send `deliveries` and yield exactly one reply per granted recipient as it comes.

        Before the irrevocable step (the final dot, an ESP's request body) `before_dot(ids)` is called, and only the
        ids that it returns may be sent. The other ids have lost their lease, and no reply is yielded for them.
        """

    def close(self) -> None:
        """End all kept-open connections."""
