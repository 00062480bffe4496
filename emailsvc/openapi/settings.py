"""drf-spectacular's settings, and the introduction of the OpenAPI document."""

from typing import Any

DESCRIPTION = """\
Send transactional email. The service stores each email before it answers, then renders, signs, delivers and tracks it.

**Keys.** `Authorization: Bearer es_live_…`. A key belongs to one project and has scopes. Mail of an `es_test_…` key
never reaches a provider: the service simulates the whole timeline and marks rows with `"test": true`. The local part
of an address at `simulator.test` selects the simulated outcome: `delivered@`, `bounced@`, `deferred@`, `failed@`,
`uncertain@`, `550-5.1.1@`, `greylist.2x.then.deliver@`, `complaint.after.5s@`, … (docs/simulator.md).

**Errors** are `application/problem+json` (RFC 9457). Branch on `code`; `errors` names each invalid field. Unknown
fields and query parameters are rejected. Objects of other projects give the same 404 as objects that do not exist.

**Lists** return `data`, `has_more`, `limit` and `next`. To get the next page, pass `next` as `after`.

**Retries.** Send an `Idempotency-Key` with any POST that you may have to retry. For 24 hours the same request gets the
same response, with `Idempotency-Replayed: true`.

**Times** are ISO 8601 in UTC and end with `Z`; a time without an offset is rejected. Ids are UUIDs (version 7). Paths
work with and without a trailing slash.
"""

TAGS = {
    "emails": "Send, look up, cancel, resend.",
    "events": "Everything that happened to your mail, as a feed without gaps.",
    "templates": "Drafts and published versions.",
    "domains": "Sending domains and their DNS records.",
    "suppressions": "Addresses that the project does not write to.",
    "streams": "Kinds of mail, each with opt-outs of its own.",
    "webhooks": "Being told.",
    "providers": "Ways out.",
    "erasures": "Addresses that were erased, with the proof.",
    "stats": "Counts by time and group.",
    "requests": "What was asked with the project's keys, and how it ended.",
    "me": "Scopes and limits of the API key.",
    "admin": "Projects, keys, limits and pauses, for keys of the installation.",
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
        # One name for each vocabulary, in all serializers.
        "ENUM_NAME_OVERRIDES": {
            "EmailStatus": "messages.states.Status",
            "Priority": "messages.states.Lane",
            "OnUncertain": "messages.states.OnUncertain",
            "RecipientKind": "messages.models.RecipientField",
            "EventType": "webhooks.event_types.EventType",
            "StreamType": "accounts.models.StreamType",
            "SuppressionWay": "tracking.models.SuppressionWay",
            "SuppressionReason": "tracking.models.SuppressionReason",
            "DomainStatus": "domains.domain_status.DomainStatus",
            "ProviderKind": "providers.models.ProviderKind",
            "Alignment": "domains.alignment.AlignmentState",
            "EndpointStatus": "webhooks.models.EndpointStatus",
            "WebhookDeliveryStatus": "webhooks.models.DeliveryStatus",
        },
        "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    }
