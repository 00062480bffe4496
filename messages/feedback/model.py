"""The common form of all feedback: bounces, receipts, complaints and ESPs' events."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, TypedDict
from uuid import UUID

from delivery.judging.model import Judgement
from delivery.judging.terms import About, Reason


class FeedbackKind(StrEnum):
    """The kind of a reported event."""

    ACCEPTED = "accepted"  # the provider accepted the message and will deliver it
    DELAYED = "delayed"  # the recipient's side deferred it, and the provider retries
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    FAILED = "failed"  # the provider gave up, without a rejection by the recipient's side
    COMPLAINED = "complained"
    UNSUBSCRIBED = "unsubscribed"
    OPENED = "opened"
    CLICKED = "clicked"


# The kinds that tell of a refusal, which has a reason and a subject.
REFUSALS = frozenset({FeedbackKind.DELAYED, FeedbackKind.BOUNCED, FeedbackKind.FAILED})


class JudgedFields(TypedDict, total=False):
    """The fields of feedback that hold a judgement."""

    reason: Reason | None
    about: About | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """One report about a recipient. Repetitions of a report have the same `key`; different reports never do.

    The recipient is given by `recipient_id`, by `message_id` with `address`, or by `remote_id` (the provider's id for
    the mail) with `address` and `provider_id`. A `provider_id` restricts the search to mail given to that provider.
    `reason` and `about` are the judgement of a refusal (`delivery.judging`), and `should_suppress` follows from it.
    `is_vague` marks a bounce that may be an automatic reply: it does not undo a delivery. `data` is further data of the
    event: texts and numbers only.
    """

    key: str
    kind: FeedbackKind
    source: str
    recipient_id: UUID | None = None
    message_id: UUID | None = None
    remote_id: str = ""
    address: str = ""
    provider_id: UUID | None = None
    code: int | None = None
    enhanced_code: str = ""
    reply: str = ""
    reason: Reason | None = None
    about: About | None = None
    should_suppress: bool = False
    is_vague: bool = False
    data: Mapping[str, Any] = field(default_factory=dict)


def name_judgement(judgement: Judgement, kind: FeedbackKind) -> JudgedFields:
    """The fields of feedback that hold a judgement; empty for kinds that tell of no refusal."""
    return {"reason": judgement.reason, "about": judgement.about} if kind in REFUSALS else {}


class FeedbackResult(StrEnum):
    """The result of received feedback."""

    APPLIED = "applied"
    KNOWN = "known"  # received before
    UNKNOWN = "unknown"  # concerns no message of this service
    LATER = "later"  # postponed; the workers apply it


_IDS = ("recipient_id", "message_id", "provider_id")
_TERMS = {"reason": Reason, "about": About}


def dump_feedback(feedback: Feedback) -> str:
    """Serialize feedback for its row, as JSON."""
    return json.dumps(asdict(feedback), default=str)


def load_feedback(text: str) -> Feedback:
    """Read the feedback that `dump_feedback` serialized."""
    values = json.loads(text)
    ids = {name: UUID(values[name]) for name in _IDS if values[name]}
    terms = {name: term(values[name]) for name, term in _TERMS.items() if values.get(name)}
    return Feedback(**{**values, **ids, **terms, "kind": FeedbackKind(values["kind"])})
