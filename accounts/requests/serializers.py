"""JSON of the request log."""

from rest_framework import serializers

from accounts.requests.models import RequestEntry
from common.serializers import (
    PageQuery,
    QueryBooleanField,
    QueryDateTimeField,
    QueryIntegerField,
    StrictCharField,
    StrictDateTimeField,
)


class RequestQuery(PageQuery):
    """The request log."""

    status = QueryIntegerField(
        required=False, min_value=100, max_value=599, help_text="Requests with this status: `422`."
    )
    method = StrictCharField(required=False, max_length=10, help_text="`POST`, for example.")
    route = StrictCharField(required=False, max_length=200, help_text="Exactly as the entries tell it.")
    code = StrictCharField(required=False, max_length=100, help_text="The code of the problem.")
    key = StrictCharField(required=False, max_length=40, help_text="The prefix of the API key.")
    request_id = StrictCharField(required=False, max_length=128, help_text="The `X-Request-Id` of the response.")
    since = QueryDateTimeField(required=False, help_text="Requests from this time on.")
    until = QueryDateTimeField(required=False, help_text="Requests before this time.")
    test = QueryBooleanField(required=False, help_text="Whether to list the requests of test keys.")


class RequestOutput(serializers.Serializer[RequestEntry]):
    """One request: what was asked, and how it ended. It has neither path, query, headers nor body."""

    id = serializers.UUIDField()
    at = StrictDateTimeField()
    method = serializers.CharField()
    route = serializers.CharField(help_text="The pattern of the path: `/api/v1/emails/<id:pk>`.")
    status = serializers.IntegerField()
    code = serializers.CharField(help_text="The code of the problem; empty if there was none.")
    duration_ms = serializers.FloatField(help_text="Time within the service, in milliseconds.")
    key = serializers.CharField(source="key_prefix", help_text="The prefix of the API key.")
    origin = serializers.CharField(help_text="The client's IP address.")
    request_id = serializers.CharField(
        help_text="The `X-Request-Id` of the response; one with an `@` is shown as a hash."
    )
    email_ids = serializers.ListField(
        child=serializers.UUIDField(), help_text="The emails that the request made or was about."
    )
    test = serializers.BooleanField(source="is_test")
