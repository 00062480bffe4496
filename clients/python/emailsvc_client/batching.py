"""Divides emails into requests that the service takes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from emailsvc_client.calls import Call, post
from emailsvc_client.objects import Batch

MAX_EMAILS = 500
# The service takes 32 MiB; proxies before it may take less.
MAX_BYTES = 24 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """An email as JSON, with its index among those to send."""

    index: int
    body: bytes


def divide(emails: Sequence[Encoded], max_bytes: int = MAX_BYTES) -> Iterator[list[Encoded]]:
    """Groups in order, each within the limits; an email that is too large by itself is a group of its own."""
    group: list[Encoded] = []
    size = 0
    for email in emails:
        if group and (len(group) == MAX_EMAILS or size + len(email.body) > max_bytes):
            yield group
            group, size = [], 0
        group.append(email)
        # And the comma.
        size += len(email.body) + 1
    if group:
        yield group


def send_group(group: Sequence[Encoded]) -> Call[Batch]:
    """A permissive batch. Its indexes are those within the group."""
    return post("/emails/batch", b"[" + b",".join(email.body for email in group) + b"]", mode="permissive")
