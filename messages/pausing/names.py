"""The values of `Recipient.parked_by`."""

from uuid import UUID

PAUSE = "pause:"
CAP = "cap:"


def of_pause(pause_id: UUID) -> str:
    return f"{PAUSE}{pause_id}"


def of_cap(project_id: UUID) -> str:
    return f"{CAP}{project_id}"
