"""Queries of Postmark's list of sent messages. Source: https://postmarkapp.com/developer/api/messages-api."""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet

from accounts.models import Project
from common.serializers import AddressField, SingleLineField, StrictChoiceField
from gateways.postmark.queries import MomentField, RowsQuery
from gateways.postmark.requests import write_stream
from gateways.postmark.responses import STATUSES
from messages.api.filters import narrow
from messages.models import Message

METADATA = "metadata_"
# Postmark's parameter → ours of `GET /api/v1/emails`.
FILTERS: Mapping[str, str] = {
    "recipient": "to",
    "fromemail": "from_",
    "tag": "tag",
    "subject": "q",
    "fromdate": "created_after",
    "todate": "created_before",
}
BY_WORD: Mapping[str, list[str]] = {
    word.lower(): [ours for ours, theirs in STATUSES.items() if theirs == word] for word in STATUSES.values()
}


class MessageQuery(RowsQuery):
    """The list's parameters, and `metadata_KEY`."""

    recipient = AddressField(required=False)
    fromemail = AddressField(required=False)
    tag = SingleLineField(required=False, max_length=64)
    subject = SingleLineField(required=False, max_length=200)
    status = StrictChoiceField(choices=sorted([*BY_WORD, "processed"]), required=False)
    fromdate = MomentField(required=False)
    todate = MomentField(required=False, is_end=True)
    messagestream = SingleLineField(required=False, max_length=100)

    def inspect(self, data: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Also reads `metadata_KEY=value` for any key."""
        given = {name[len(METADATA) :]: data[name] for name in data if name.lower().startswith(METADATA)}
        values, errors = super().inspect(data)
        return ({**values, "metadata": given} if given else values), errors

    def find_unknown(self, data: Mapping[str, Any]) -> dict[str, Any]:
        return super().find_unknown(
            {name: value for name, value in data.items() if not name.lower().startswith(METADATA)}
        )


def select_messages(project: Project, messages: QuerySet[Message], query: Mapping[str, Any]) -> QuerySet[Message]:
    """The matching messages, the newest first."""
    found = narrow(messages, project, {ours: query[name] for name, ours in FILTERS.items() if name in query})
    if "metadata" in query:
        found = narrow(found, project, {"metadata": query["metadata"]})
    if "status" in query:
        # Postmark's `processed` is ours too: accepted, and not sent yet.
        found = found.filter(status__in=BY_WORD[query["status"].replace("processed", "queued")])
    if "messagestream" in query:
        found = found.filter(stream=write_stream(project, query["messagestream"])["stream"])
    return found.order_by("-pk")
