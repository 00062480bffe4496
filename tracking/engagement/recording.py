"""Finds the recipient of a token, and records opens and clicks."""

from dataclasses import dataclass
from uuid import UUID

from ledger.shares import MinuteCounts
from ledger.sql import fetch_one_as, fetch_value
from tracking.engagement.tokens import Token
from tracking.engagement.visits import FollowedLink, Visitor, VisitSubject, record_visit
from tracking.message_tables import RECIPIENTS
from tracking.suppressions.erased import ERASED_DOMAIN

# The recipient and the link's target. The recipient's table belongs to a higher package; this package depends on its
# schema, not on its code.
_SUBJECT = f"""
SELECT r.id AS recipient_id, r.project_id, r.message_id, r.address, r.is_simulated,
       (SELECT l.urls[%(link)s::int + 1] FROM tracking_trackedlinks l WHERE l.message_id = r.message_id) AS url
FROM {RECIPIENTS} r WHERE r.id = %(recipient)s AND r.domain <> '{ERASED_DOMAIN}'
"""  # noqa: S608 - built from constants
# The same for a recipient that is deleted or erased: its links lead on.
_KEPT_URL = """
SELECT l.urls[%(link)s::int + 1] FROM tracking_linkowner o JOIN tracking_trackedlinks l ON l.message_id = o.message_id
WHERE o.recipient_id = %(recipient)s
"""

# Loads of one recipient's pixel that are looked at in a minute, in each web process.
PIXELS_PER_MINUTE = 30

pixels = MinuteCounts()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedRecipient:
    """The recipient of a token, with the target of its link; `url` is None if the message has no such link."""

    recipient_id: UUID
    project_id: UUID
    message_id: UUID
    address: str
    is_simulated: bool
    url: str | None


def find_tracked_recipient(token: Token) -> TrackedRecipient | None:
    """Find the recipient of a token; None if the recipient was deleted (retention, erasure)."""
    return fetch_one_as(TrackedRecipient, _SUBJECT, {"recipient": token.recipient_id, "link": token.link})


def find_kept_url(token: Token) -> str | None:
    """The target of a link whose recipient is deleted or erased; None if it is not kept either."""
    url: str | None = fetch_value(_KEPT_URL, {"recipient": token.recipient_id, "link": token.link})
    return url


def record_open(subject: TrackedRecipient, client: Visitor) -> None:
    """Record an open, unless the recipient's pixel was loaded too often this minute: each costs the message's lock."""
    if pixels.read(subject.recipient_id) >= PIXELS_PER_MINUTE:
        return
    pixels.add(subject.recipient_id, 1)
    record_visit(_subject_of(subject), client)


def record_click(subject: TrackedRecipient, client: Visitor, token: Token) -> None:
    record_visit(_subject_of(subject), client, FollowedLink(url=subject.url or "", number=token.link))


def _subject_of(subject: TrackedRecipient) -> VisitSubject:
    return VisitSubject(
        project_id=subject.project_id,
        message_id=subject.message_id,
        recipient_id=subject.recipient_id,
        address=subject.address,
    )
