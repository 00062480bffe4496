"""Our suppressions in the form of Mailgun's lists of bounces, unsubscribes and complaints.

Source: https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/suppressions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from common.addresses import AddressError, parse_address
from common.errors import FieldErrors
from common.serializers import NO_FIELD
from common.times import TimeError
from gateways.compat.rewriting import reject
from tracking.models import Suppression, SuppressionReason, SuppressionWay
from tracking.suppressions.columns import read_moment
from tracking.suppressions.service import Entry

MAX_ITEMS = 1_000
MAX_NOTE = 500
# Mailgun's tag for an opt-out from all mail.
EVERYTHING = "*"
# The code that Mailgun gives a bounce without one.
CODE = "550"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListKind:
    """One of Mailgun's lists: our reason, the fields of an item, and the words of its answers."""

    reason: SuppressionReason
    fields: frozenset[str]
    added: str
    removed: str
    missing: str


KINDS: Mapping[str, ListKind] = {
    "bounces": ListKind(
        reason=SuppressionReason.BOUNCE,
        fields=frozenset({"address", "code", "error", "created_at"}),
        added="Address has been added to the bounces table",
        removed="Bounced address has been removed",
        missing="Address not found in bounces table",
    ),
    "unsubscribes": ListKind(
        reason=SuppressionReason.UNSUBSCRIBE,
        fields=frozenset({"address", "tag", "tags", "created_at"}),
        added="Address has been added to the unsubscribes table",
        removed="Unsubscribe event has been removed",
        missing="Address not found in unsubscribers table",
    ),
    "complaints": ListKind(
        reason=SuppressionReason.COMPLAINT,
        fields=frozenset({"address", "created_at"}),
        added="Address has been added to the complaints table",
        removed="Spam complaint has been removed",
        missing="No spam complaints found for this address",
    ),
}


def show_item(rows: Sequence[Suppression]) -> dict[str, Any]:
    """The entries of an address with one reason, as one item."""
    first = rows[0]
    shown: dict[str, Any] = {"address": first.address, "created_at": write_time(first.created_at)}
    if first.reason == SuppressionReason.BOUNCE:
        return {**shown, "code": CODE, "error": first.note}
    if first.reason == SuppressionReason.UNSUBSCRIBE:
        return {**shown, "id": str(first.pk), "tags": [row.stream or EVERYTHING for row in rows]}
    return shown


def write_time(at: datetime) -> str:
    """`Fri, 13 Sep 2019 12:24:46 UTC`."""
    return format_datetime(at.astimezone(UTC), usegmt=True).removesuffix("GMT") + "UTC"


def read_items(kind: ListKind, items: object, ip: str | None) -> list[Entry]:
    """The entries of the items; several errors are collected. Raises InvalidFieldsError."""
    if not isinstance(items, list) or not 1 <= len(items) <= MAX_ITEMS:
        reject("", f"Must be a list of 1 to {MAX_ITEMS} objects.")
    findings, entries = FieldErrors(), list[Entry]()
    for index, item in enumerate(items):
        with findings.collect():
            entries += read_item(kind, item, index if len(items) > 1 else None, ip)
    findings.raise_all()
    return entries


def read_item(kind: ListKind, item: object, index: int | None, ip: str | None) -> list[Entry]:
    """One entry, or one for each tag of an opt-out. Raises InvalidFieldsError."""
    at = "" if index is None else f"[{index}]."
    if not isinstance(item, Mapping):
        reject("", f"{at}: Must be an object.")
    if unknown := sorted(set(item) - kind.fields):
        reject("", f"{at}{unknown[0][:100]}: {NO_FIELD}", "unknown_field")
    try:
        address = parse_address(str(item.get("address", ""))).address
        created_at = read_moment(str(item.get("created_at") or ""))
    except AddressError as error:
        reject("", f"{at}address: {error.message}", error.code)
    except TimeError as error:
        reject("", f"{at}created_at: {error.message}", error.code)
    note = " ".join(str(item.get("error") or "").split())[:MAX_NOTE]
    return [
        Entry(
            address=address,
            reason=kind.reason,
            stream=stream,
            note=note,
            way=SuppressionWay.API,
            ip=ip,
            created_at=created_at,
        )
        for stream in list_streams(item, at)
    ]


def list_streams(item: Mapping[str, Any], at: str) -> list[str | None]:
    """The streams that the tags name; None for all."""
    given = item.get("tags") or item.get("tag") or [EVERYTHING]
    tags = [given] if isinstance(given, str) else given
    if not isinstance(tags, list) or not all(isinstance(tag, str) and tag for tag in tags):
        reject("", f"{at}tags: Must be a list of names.")
    return [None] if EVERYTHING in tags else list(dict.fromkeys(tags))
