"""The query strings of `/emails` and below; a parameter that is not named here is refused."""

from rest_framework import serializers

from common.serializers import (
    AddressField,
    PageQuery,
    QueryDateTimeField,
    QueryIntegerField,
    QuerySerializer,
    StrictCharField,
)
from messages.states import Status


class NoQuery(QuerySerializer):
    """No parameters."""


class EmailQuery(PageQuery):
    """The list's parameters. Several narrow it together."""

    aliases = {"from": "from_"}

    after = serializers.UUIDField(required=False, help_text="Older than the email with this id: the `next` of a page.")
    before = serializers.UUIDField(required=False, help_text="Newer than the email with this id: the page above it.")
    status = serializers.ChoiceField(choices=Status.choices, required=False)
    to = AddressField(required=False, help_text="A recipient's address, in to, cc or bcc.")
    from_ = AddressField(required=False, help_text="The sender's address; `from` is accepted too.")
    tag = StrictCharField(required=False, max_length=64, help_text="One of its tags.")
    template_id = StrictCharField(required=False, max_length=100, help_text="Id or alias of a template.")
    created_after = QueryDateTimeField(required=False, help_text="Accepted later than this.")
    created_before = QueryDateTimeField(required=False, help_text="Accepted before.")
    q = StrictCharField(required=False, max_length=200, help_text="A part of the subject, in any case.")


class BatchQuery(QuerySerializer):
    """How a batch with bad emails in it is taken."""

    mode = serializers.ChoiceField(
        choices=["strict", "permissive"],
        default="strict",
        help_text="`strict`: all or nothing. `permissive`: the good ones are accepted.",
    )


class RawQuery(QuerySerializer):
    """Whose copy."""

    recipient = AddressField(required=False, help_text="A recipient's address; by default the first in `to`.")


class TimelineQuery(QuerySerializer):
    """A page of an email's events."""

    after = serializers.UUIDField(required=False, help_text="The `next` of the page before.")
    limit = QueryIntegerField(min_value=1, max_value=100, default=100)
