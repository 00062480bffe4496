"""The list of affected recipients as rows: for the command, the CSV file and the admin."""

import csv
from collections.abc import Iterable, Iterator
from typing import TextIO

from common.times import format_time
from messages.incidents.affected import Affected

COLUMNS = (
    *("email_id", "recipient_id", "project_id", "address", "status", "reason", "at"),
    *("provider", "code", "enhanced_code", "reply", "resent"),
)


def describe_affected(row: Affected) -> dict[str, object]:
    """One recipient by the names of COLUMNS."""
    return {
        "email_id": row.message_id,
        "recipient_id": row.recipient_id,
        "project_id": row.project_id,
        "address": row.address,
        "status": row.status,
        "reason": row.status_reason,
        "at": row.at,
        "provider": row.provider,
        "code": row.code,
        "enhanced_code": row.enhanced_code,
        "reply": row.reply,
        "resent": row.is_resent,
    }


def write_csv(file: TextIO, rows: Iterable[Affected]) -> Iterator[Affected]:
    """Write each row as it passes. A cell that a spreadsheet would take for a formula gets an apostrophe."""
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    for row in rows:
        values = describe_affected(row) | {"at": format_time(row.at)}
        writer.writerow([shield(str(value)) if value is not None else "" for value in values.values()])
        yield row


def shield(text: str) -> str:
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text
