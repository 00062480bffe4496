"""drf-spectacular's settings, and what the OpenAPI document says of the API as a whole."""

from typing import Any

DESCRIPTION = """\
Post an email; it is accepted durably, rendered, signed, delivered, and followed.

**Keys.** `Authorization: Bearer es_live_…`. A key belongs to one project and has scopes. With `es_test_…` nothing
reaches a provider: the whole timeline is played, and rows carry `"test": true`. The local part of an address at
`simulator.test` names what becomes of it: `delivered@`, `bounced@`, `deferred@`, `failed@`, `uncertain@`,
`550-5.1.1@`, `greylist.2x.then.deliver@`, `complaint.after.5s@`, … (docs/simulator.md).

**Errors** are `application/problem+json` (RFC 9457). Decide by `code`; `errors` names each field that is wrong. Fields
and query parameters that do not exist are refused. Another project's object is answered as one that does not exist.

**Lists** answer `data`, `has_more`, `limit` and `next`: pass `next` as `after` for the page that follows.

**Retries.** Send an `Idempotency-Key` with any POST that you may have to send again: for 24 hours the same request gets
the same answer, with `Idempotency-Replayed: true`.

**Times** are ISO 8601 in UTC and end with `Z`; a time without an offset is refused. Ids are UUIDs (version 7). Paths
are served with and without a slash at their end.
"""

TAGS = {
    "emails": "Send, look up, cancel, resend.",
    "events": "What happened, as a feed without gaps.",
    "templates": "Drafts and published versions.",
    "domains": "Sending domains and the records that they need.",
    "suppressions": "Who is not written to.",
    "webhooks": "Being told.",
    "providers": "Ways out.",
    "stats": "Counts by time and group.",
    "me": "What a key is and may do.",
}


def build_settings(public_url: str) -> dict[str, Any]:
    """`SPECTACULAR_SETTINGS`."""
    return {
        "TITLE": "emailsvc",
        "DESCRIPTION": DESCRIPTION,
        "VERSION": "1",
        "OAS_VERSION": "3.1.1",
        "SERVERS": [{"url": public_url}],
        "TAGS": [{"name": name, "description": text} for name, text in TAGS.items()],
        "PATH_CONVERTER_OVERRIDES": {"id": {"type": "string", "format": "uuid"}},
        "SCHEMA_PATH_PREFIX": "/api/v1",
        "PREPROCESSING_HOOKS": ["emailsvc.openapi.schema.only_the_api"],
        "POSTPROCESSING_HOOKS": [
            "drf_spectacular.hooks.postprocess_schema_enums",
            "common.openapi.tidy_components",
            "emailsvc.openapi.webhooks.add_webhooks",
            "emailsvc.documentation.openapi_examples.add_examples",
        ],
        # One name for each vocabulary, whichever serializers use it.
        "ENUM_NAME_OVERRIDES": {
            "EmailStatus": "messages.states.Status",
            "Priority": "messages.states.Lane",
            "OnUncertain": "messages.states.OnUncertain",
            "RecipientKind": "messages.models.RecipientField",
            "EventType": "webhooks.event_types.EventType",
            "SuppressionReason": "tracking.models.SuppressionReason",
            "DomainStatus": "domains.domain_status.DomainStatus",
            "ProviderKind": "providers.models.ProviderKind",
            "EndpointStatus": "webhooks.models.EndpointStatus",
            "WebhookDeliveryStatus": "webhooks.models.DeliveryStatus",
        },
        "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    }
