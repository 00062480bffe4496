"""Feedback: bounces, receipts, complaints and ESPs' events, in the one shape that all of them come to."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID


class FeedbackKind(StrEnum):
    """What happened."""

    ACCEPTED = "accepted"  # the provider has it and will carry it on
    DELAYED = "delayed"  # the recipient's side takes it later, the provider tries on
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    FAILED = "failed"  # the provider gave up before anybody refused it
    COMPLAINED = "complained"
    UNSUBSCRIBED = "unsubscribed"
    OPENED = "opened"
    CLICKED = "clicked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """Something said about a recipient. `key` is unique for what is said, however often it is, and by whom.

    Whose it is stands in `recipient_id`, or in `message_id` with `address`, or in `remote_id` (the provider's name for
    the mail) with `address` and `provider_id`. With a `provider_id` only mail that this provider was given is meant.
    `should_suppress` marks a hard mailbox bounce. `data` holds what else its event tells: texts and numbers only.
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
    should_suppress: bool = False
    data: Mapping[str, Any] = field(default_factory=dict)


class FeedbackResult(StrEnum):
    """What came of feedback."""

    APPLIED = "applied"
    KNOWN = "known"  # said before
    UNKNOWN = "unknown"  # about no mail of ours
    LATER = "later"  # cannot be written just now, and will be


_IDS = ("recipient_id", "message_id", "provider_id")


def dump_feedback(feedback: Feedback) -> str:
    """Feedback as it waits in its row: JSON."""
    return json.dumps(asdict(feedback), default=str)


def load_feedback(text: str) -> Feedback:
    """What `dump_feedback` was given."""
    values = json.loads(text)
    ids = {name: UUID(values[name]) for name in _IDS if values[name]}
    return Feedback(**{**values, **ids, "kind": FeedbackKind(values["kind"])})
