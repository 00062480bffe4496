"""The data classes of an explanation."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from messages.explain.attempts import QuotedReply
from messages.explain.context import Background
from messages.models import Message, Recipient
from tracking.models import Suppression


@dataclass(frozen=True, slots=True, kw_only=True)
class StateExplanation:
    """Explains a state in sentences.

    `why`: the reason for the state. `next`: the next step, empty in a final state. `next_at`: its time, if known.
    `advice`: possible steps of a person.
    """

    why: str
    next: str = ""
    next_at: datetime | None = None
    advice: Sequence[str] = ()
    last_reply: QuotedReply | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientExplanation:
    """Explains a recipient; `decisions` are in order. `reason` and `about` are the judgement of the last refusal, else
    empty. `suppression` is the present entry that stops such mail.
    """

    row: Recipient
    summary: StateExplanation
    decisions: Sequence[str]
    reason: str
    about: str
    suppression: Suppression | None = None

    @property
    def is_suppressed(self) -> bool:
        return self.suppression is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageExplanation:
    """Explains a message. `summary` covers the recipients with the message's status; `recipients` covers each one."""

    message: Message
    summary: StateExplanation
    decisions: Sequence[str]
    recipients: Sequence[RecipientExplanation]
    background: Background
