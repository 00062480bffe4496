"""Complaints: feedback-loop reports (ARF, RFC 5965) and older forms without its fields."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from delivery.addresses import find_addresses, find_received_for, fold_addresses
from delivery.reports.dsn import read_date, read_mta
from delivery.reports.mime import MimePart, parse_headers, walk_parts


class FeedbackMeaning(StrEnum):
    """The meaning of a feedback type for the recipient."""

    COMPLAINT = "complained"
    UNSUBSCRIBE = "unsubscribed"
    NOTICE = "notice"  # for the sender to look at; the recipient did nothing
    NONE = "none"


# The meanings that a person's own action has.
COMPLAINING = frozenset({FeedbackMeaning.COMPLAINT, FeedbackMeaning.UNSUBSCRIBE})
# RFC 5965, 7.3, RFC 6430 and RFC 6591. Types that are not listed come from persons who complain in other words.
MEANINGS: Mapping[str, FeedbackMeaning] = {
    "opt-out": FeedbackMeaning.UNSUBSCRIBE,
    "opt-out-list": FeedbackMeaning.UNSUBSCRIBE,
    "virus": FeedbackMeaning.NOTICE,
    "not-spam": FeedbackMeaning.NONE,
    "auth-failure": FeedbackMeaning.NONE,
    "dmarc": FeedbackMeaning.NONE,
    "none": FeedbackMeaning.NONE,
}
_SUBJECT = re.compile(r"^\s*(?:complaint about message from|abuse report|spam report|feedback loop)", re.IGNORECASE)
_RECIPIENT_FIELDS = ("original-rcpt-to", "removal-recipient", "original-recipient")
_RECIPIENT_HEADERS = ("x-hmxmroriginalrecipient", "x-original-to", "to")


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """The content of a feedback report on one mail."""

    feedback_type: str
    meaning: FeedbackMeaning
    addresses: tuple[str, ...]
    envelope_id: str = ""
    reporting_mta: str = ""
    arrived_at: datetime | None = None


def read_feedback(mail: MimePart, original: MimePart | None) -> Complaint | None:
    """The complaint in `mail` about `original`; None for mail that is no feedback report."""
    fields = next((parse_headers(part.text()) for part in walk_parts(mail) if is_feedback(part)), None)
    if fields is None:
        if original is None or not _SUBJECT.match(mail.header("subject")):
            return None
        fields = {}
    words = fields.get("feedback-type", ("abuse",))[0].lower().split()
    feedback_type = words[0][:40] if words else "abuse"
    return Complaint(
        feedback_type=feedback_type,
        meaning=name_meaning(feedback_type),
        addresses=tuple(_find_recipients(fields, original)),
        envelope_id=fields.get("original-envelope-id", ("",))[0][:200],
        reporting_mta=read_mta(fields.get("reporting-mta", ("",))[0]),
        arrived_at=read_date(fields.get("arrival-date", fields.get("received-date", ("",)))[0]),
    )


def name_meaning(feedback_type: str) -> FeedbackMeaning:
    """The meaning of a feedback type in lower case; also for those that ESPs tell."""
    return MEANINGS.get(feedback_type, FeedbackMeaning.COMPLAINT)


def is_feedback(part: MimePart) -> bool:
    """Whether this part holds the fields of a feedback report."""
    return part.media_type in {"message/feedback-report", "text/feedback-report"}


def _find_recipients(fields: dict[str, tuple[str, ...]], original: MimePart | None) -> list[str]:
    named = _list_addresses(value for name in _RECIPIENT_FIELDS for value in fields.get(name, ()))
    if named or original is None:
        return named
    headers = original.headers
    for name in _RECIPIENT_HEADERS:
        if found := _list_addresses(headers.get(name, ())):
            return found
    return _list_addresses((find_received_for(headers.get("received", ())),))


def _list_addresses(values: Iterable[str]) -> list[str]:
    return fold_addresses(address for value in values for address in find_addresses(value))
