"""Sends any number of emails in as few requests as their sizes allow, and tells what became of each."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

from emailsvc_client.batching import Encoded, divide, send_group
from emailsvc_client.client import Client
from emailsvc_client.errors import ApiError, FieldProblem

# `[3].to[0]`: where a refused batch names a field.
PLACE = re.compile(r"^\[(\d+)\]\.?(.*)$")


@dataclass(slots=True)
class Outcomes:
    """The ids of accepted emails and the errors of refused ones, by their index."""

    ids: dict[int, str] = field(default_factory=dict)
    refused: dict[int, list[FieldProblem]] = field(default_factory=dict)


def send_all(client: Client, emails: Sequence[bytes], outcomes: Outcomes) -> None:
    """Send `emails`, each in JSON, in permissive batches. Each outcome is noted at once, as a later request may fail.

    Raises EmailsvcError for what concerns the key, the project or the service.
    """
    for group in divide([Encoded(index=index, body=email) for index, email in enumerate(emails)]):
        send_one_group(client, group, outcomes)


def send_one_group(client: Client, group: Sequence[Encoded], outcomes: Outcomes) -> None:
    try:
        batch = client.run(send_group(group))
    except ApiError as error:
        if error.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE and len(group) > 1:
            # A proxy takes less than the service.
            half = len(group) // 2
            send_one_group(client, group[:half], outcomes)
            send_one_group(client, group[half:], outcomes)
            return
        note_refusal(error, group, outcomes)
        return
    for item in batch["data"]:
        outcomes.ids[group[item["index"]].index] = item["id"]
    for refusal in batch["errors"]:
        outcomes.refused[group[refusal["index"]].index] = refusal["errors"]


def note_refusal(error: ApiError, group: Sequence[Encoded], outcomes: Outcomes) -> None:
    """Every email of the group is refused. Raises `error` if it is not about the emails."""
    is_too_large = error.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    if not (is_too_large or (error.status == HTTPStatus.UNPROCESSABLE_ENTITY and is_about_emails(error))):
        raise error
    whole = FieldProblem(field="", code=error.code, message=error.detail)
    for place, email in enumerate(group):
        # The service names at most a hundred errors; the others are refused no less.
        outcomes.refused[email.index] = find_errors(error, place) or [whole]


def is_about_emails(error: ApiError) -> bool:
    return any(PLACE.match(each["field"]) for each in error.errors)


def find_errors(error: ApiError, place: int) -> list[FieldProblem]:
    """The errors of the email at this place of the batch, with their fields as in a single request."""
    matches = [(each, PLACE.match(each["field"])) for each in error.errors]
    return [
        FieldProblem(field=match[2], code=each["code"], message=each["message"])
        for each, match in matches
        if match and int(match[1]) == place
    ]
