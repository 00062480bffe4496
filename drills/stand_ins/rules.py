"""Rules for the sink: an action at a stage of a mail."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Stage(StrEnum):
    """The stage at which a rule is asked. At DOT the mail is on disk before the action, unless that is a `ReplyWith`.

    At GREETING there is no mail yet: its address is empty, and `earlier_count` counts connections.
    """

    GREETING = "greeting"
    RCPT = "rcpt"
    DATA = "data"  # before the 354
    CONTENT = "some of it has come, the rest is not read"  # the first of it has come, the rest is not read
    DOT = "dot"


@dataclass(frozen=True)
class ReplyWith:
    """Send this reply instead. At DOT the mail is not accepted. After a 421 or as a greeting, also hang up."""

    text: str


@dataclass(frozen=True)
class Hold:
    """Notify the drill through `Sink.held`, and answer nothing until it releases."""


@dataclass(frozen=True)
class Wait:
    """Answer as usual, but later."""

    seconds: float


@dataclass(frozen=True)
class Drop:
    """Close the connection instead of a reply. At DOT the mail has been accepted."""


Act = ReplyWith | Hold | Wait | Drop | None


@dataclass(slots=True, kw_only=True)
class SinkMail:
    """A transaction: its single recipient, the number of earlier ones for the same address, and the client's port."""

    address: str
    earlier_count: int
    peer_port: int
    message_id: str = ""

    @property
    def number(self) -> int:
        """The number at the end of the local part, as drills number their mail; 0 if there is none."""
        _, _, digits = self.address.partition("@")[0].rpartition("-")
        return int(digits) if digits.isdecimal() else 0


Rule = Callable[[Stage, SinkMail], Act]


def as_usual(_stage: Stage, _mail: SinkMail) -> Act:
    """Take everything."""
    return None
