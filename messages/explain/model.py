"""The parts that an explanation is made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from messages.explain.attempts import QuotedReply
from messages.explain.context import Background
from messages.models import Message, Recipient


@dataclass(frozen=True, slots=True, kw_only=True)
class StateExplanation:
    """`why` it is as it is; what comes `next`, empty at the end; when that is, where a time is known; and what a person
    can do.
    """

    why: str
    next: str = ""
    next_at: datetime | None = None
    advice: Sequence[str] = ()
    last_reply: QuotedReply | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientExplanation:
    """A recipient's story; `decisions` are what was decided on its way, in order."""

    row: Recipient
    summary: StateExplanation
    decisions: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageExplanation:
    """A message's story: that of the recipients which its status stands for, and each one's own."""

    message: Message
    summary: StateExplanation
    decisions: Sequence[str]
    recipients: Sequence[RecipientExplanation]
    background: Background
