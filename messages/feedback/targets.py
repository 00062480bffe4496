"""Finds the recipient of feedback: first without locks, then read again with locks."""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from ledger.sql import fetch, fetch_one_as
from messages.feedback.model import Feedback, FeedbackKind
from messages.states import OPEN, Phase, Status, StatusReason
from tracking.suppressions.erased import ERASED_DOMAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackTarget:
    """The recipient's present row, locked.

    `is_leased`: a worker is sending to it. `is_pending`: a retry or the settlement of an uncertain attempt may follow.
    """

    recipient_id: UUID
    message_id: UUID
    project_id: UUID
    address: str
    status: Status
    reason: StatusReason
    is_simulated: bool
    is_leased: bool
    has_next_attempt: bool
    track_opens: bool
    track_clicks: bool
    stream: str

    @property
    def is_pending(self) -> bool:
        return self.status in OPEN and (self.has_next_attempt or self.reason is StatusReason.UNCERTAIN)

    def wants(self, kind: FeedbackKind) -> bool:
        """Whether an event of this kind is recorded: no opens and clicks without the caller's opt-in to tracking."""
        tracking_options = {FeedbackKind.OPENED: self.track_opens, FeedbackKind.CLICKED: self.track_clicks}
        return self.is_simulated or tracking_options.get(kind, True)


# Feedback can only concern mail with a started attempt; with a provider given, only an attempt of that provider.
_TRIED = """
EXISTS (SELECT 1 FROM mail_attempt a WHERE a.recipient_id = r.id AND a.phase = ANY(%(phases)s)
        AND (%(provider)s::uuid IS NULL OR a.provider_id = %(provider)s))
"""
_ADDRESSED = "(%(address)s = '' OR lower(r.address) = lower(%(address)s))"
_BY_RECIPIENT = f"SELECT r.id, r.message_id FROM mail_recipient r WHERE r.id = %(recipient)s AND {_TRIED}"  # noqa: S608
_BY_MESSAGE = f"""
SELECT r.id, r.message_id FROM mail_recipient r WHERE r.message_id = %(message)s AND {_ADDRESSED} AND {_TRIED} LIMIT 2
"""  # noqa: S608
_BY_REMOTE_ID = f"""
SELECT DISTINCT r.id, r.message_id FROM mail_attempt t JOIN mail_recipient r ON r.id = t.recipient_id
WHERE t.remote_id = %(remote)s AND {_ADDRESSED} AND {_TRIED} LIMIT 2
"""  # noqa: S608


def find_feedback_recipient(feedback: Feedback) -> tuple[UUID, UUID] | None:
    """The ids of the feedback's recipient and message; None if no recipient or more than one matches."""
    for sql in _list_lookups(feedback):
        found = fetch(sql, _list_values(feedback))
        if len(found) == 1:
            ((recipient_id, message_id),) = found
            return recipient_id, message_id
    return None


_MESSAGE = f"""
SELECT DISTINCT r.message_id, r.project_id FROM mail_attempt t JOIN mail_recipient r ON r.id = t.recipient_id
WHERE (r.message_id = %(message)s OR %(message)s::uuid IS NULL AND t.remote_id <> '' AND t.remote_id = %(remote)s
       AND %(provider)s::uuid IS NOT NULL)
  AND {_TRIED} LIMIT 2
"""  # noqa: S608


def find_feedback_message(feedback: Feedback) -> tuple[UUID, UUID] | None:
    """The ids of the message and of its project, for feedback that does not tell its recipient; None if unknown."""
    if feedback.recipient_id or feedback.address:
        return None
    found = fetch(_MESSAGE, _list_values(feedback))
    if len(found) != 1:
        return None
    ((message_id, project_id),) = found
    return message_id, project_id


def _list_values(feedback: Feedback) -> dict[str, object]:
    return {
        "recipient": feedback.recipient_id,
        "message": feedback.message_id,
        "remote": feedback.remote_id,
        "address": feedback.address,
        "provider": feedback.provider_id,
        "phases": [Phase.STARTED, Phase.DOT_SENT, Phase.DONE],
    }


def _list_lookups(feedback: Feedback) -> Iterator[str]:
    if feedback.recipient_id:
        yield _BY_RECIPIENT
    elif feedback.message_id:
        yield _BY_MESSAGE
    elif feedback.remote_id and feedback.provider_id:
        yield _BY_REMOTE_ID


_LOCK = f"""
SELECT r.id AS recipient_id, r.message_id, r.project_id, r.address, r.status, r.status_reason AS reason,
       r.is_simulated, r.lease_token IS NOT NULL AS is_leased, r.next_attempt_at IS NOT NULL AS has_next_attempt,
       m.track_opens, m.track_clicks, m.stream
FROM mail_recipient r JOIN mail_message m ON m.id = r.message_id
WHERE r.id = %s AND r.domain <> '{ERASED_DOMAIN}' FOR NO KEY UPDATE OF r
"""  # noqa: S608


def lock_target(recipient_id: UUID) -> FeedbackTarget | None:
    """Lock and read the recipient, whose message the caller has locked. None if it is deleted or erased."""
    return fetch_one_as(FeedbackTarget, _LOCK, [recipient_id])
