"""The header fields that name a message's stream: List-Id and Feedback-ID."""

from collections.abc import Collection
from uuid import UUID

from django.conf import settings

from accounts.streams import build_feedback_id

MAX_LIST_ID = 255  # RFC 2919, 3


def list_stream_headers(
    *, project_id: UUID, stream: str, sender_domain: str, offers_opt_out: bool, given: Collection[str]
) -> list[tuple[str, str]]:
    """The fields for mail of `stream`, without those that the caller gave; `given` are their names.

    List-Id (RFC 2919) lets mail programs file and mute a stream; only mail that offers an opt-out has it. Feedback-ID
    (https://support.google.com/a/answer/6254652) is what Gmail counts complaints by.
    """
    own = {name.lower() for name in given}
    headers = []
    list_id = f"{stream}.{sender_domain}"
    if settings.LIST_ID and offers_opt_out and "list-id" not in own and len(list_id) <= MAX_LIST_ID:
        headers.append(("List-Id", f"<{list_id}>"))
    if settings.FEEDBACK_ID and "feedback-id" not in own:
        headers.append(("Feedback-ID", build_feedback_id(project_id, stream)))
    return headers
