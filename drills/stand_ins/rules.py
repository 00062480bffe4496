"""What the sink can be told: at which stage of a mail it is to do what."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Stage(StrEnum):
    """When a rule is asked. At DOT the mail is on disk before the rule's act, unless that is an `ReplyWith`.

    At GREETING there is no mail yet: its address is empty, and `earlier_count` counts connections.
    """

    GREETING = "greeting"
    RCPT = "rcpt"
    DATA = "data"  # before the 354
    CONTENT = "content"  # the first of it has come, the rest is not read
    DOT = "dot"


@dataclass(frozen=True)
class ReplyWith:
    """Say this in place of the usual. At DOT: the mail is not taken. After a 421, or as a greeting: and hang up."""

    text: str


@dataclass(frozen=True)
class Hold:
    """Tell the drill, by `Sink.held`, and answer nothing until it releases."""


@dataclass(frozen=True)
class Wait:
    """Answer as usual, later."""

    seconds: float


@dataclass(frozen=True)
class Drop:
    """Close the line in place of an answer. At DOT: the mail has been taken."""


Act = ReplyWith | Hold | Wait | Drop | None


@dataclass(slots=True, kw_only=True)
class SinkMail:
    """A transaction: its one recipient, how many for the same came before it, and the port it comes from."""

    address: str
    earlier_count: int
    peer_port: int
    message_id: str = ""

    @property
    def number(self) -> int:
        """That at the end of the local part, as drills number their mail; 0 for none."""
        _, _, digits = self.address.partition("@")[0].rpartition("-")
        return int(digits) if digits.isdecimal() else 0


Rule = Callable[[Stage, SinkMail], Act]


def as_usual(_stage: Stage, _mail: SinkMail) -> Act:
    """Take everything."""
    return None
