"""Complaints: feedback-loop reports (ARF, RFC 5965) and older forms without its fields."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from delivery.addresses import find_addresses, find_received_for, fold_addresses
from delivery.reports.dsn import read_date, read_mta
from delivery.reports.mime import MimePart, parse_headers, walk_parts

# RFC 5965, 7.3, and RFC 6591: feedback types that are not complaints by a person.
_NO_COMPLAINT = {"auth-failure", "not-spam", "dmarc", "none"}
_SUBJECT = re.compile(r"^\s*(?:complaint about message from|abuse report|spam report|feedback loop)", re.IGNORECASE)
_RECIPIENT_FIELDS = ("original-rcpt-to", "removal-recipient", "original-recipient")
_RECIPIENT_HEADERS = ("x-hmxmroriginalrecipient", "x-original-to", "to")


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """The content of a feedback report on one mail."""

    feedback_type: str
    addresses: tuple[str, ...]
    envelope_id: str = ""
    reporting_mta: str = ""
    arrived_at: datetime | None = None


def read_feedback(mail: MimePart, original: MimePart | None) -> Complaint | None:
    """The complaint in `mail` about `original`; None without one, such as for a report on failed authentication."""
    fields = next((parse_headers(part.text()) for part in walk_parts(mail) if is_feedback(part)), None)
    if fields is None:
        if original is None or not _SUBJECT.match(mail.header("subject")):
            return None
        fields = {}
    feedback_type = fields.get("feedback-type", ("abuse",))[0].split()[:1]
    if feedback_type and feedback_type[0].lower() in _NO_COMPLAINT:
        return None
    return Complaint(
        feedback_type=feedback_type[0].lower()[:40] if feedback_type else "abuse",
        addresses=tuple(_find_recipients(fields, original)),
        envelope_id=fields.get("original-envelope-id", ("",))[0][:200],
        reporting_mta=read_mta(fields.get("reporting-mta", ("",))[0]),
        arrived_at=read_date(fields.get("arrival-date", fields.get("received-date", ("",)))[0]),
    )


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
