"""The OpenAPI document's `webhooks`: what is posted to endpoints, for each type of event."""

from typing import Any

from webhooks.event_types import TEST, EventType

STATUS = {"$ref": "#/components/schemas/EmailStatus"}
DATA = {
    "type": "object",
    "description": "What the event's receivers look it up by, and beside it the event's own facts.",
    "properties": {
        "email_id": {"type": "string", "format": "uuid"},
        "recipient": {"type": ["string", "null"], "description": "Null for what concerns the whole email."},
        "status": {**STATUS, "description": "The recipient's."},
        "email_status": STATUS,
        "seq": {"type": "integer", "description": "Counts the events of one email."},
        "test": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "metadata": {"type": "object", "additionalProperties": {"type": "string"}},
    },
    "required": ["email_id", "recipient", "status", "email_status", "seq", "test", "tags", "metadata"],
    "additionalProperties": True,
}
TEST_DATA = {
    "type": "object",
    "properties": {"endpoint_id": {"type": "string", "format": "uuid"}, "message": {"type": "string"}},
    "required": ["endpoint_id", "message"],
}
HEADERS = {
    "webhook-id": "The event's id: the same at every try.",
    "webhook-timestamp": "Seconds since 1970, of this try.",
    "webhook-signature": "`v1,` and the signature (Standard Webhooks); several with spaces between them.",
}


def add_webhooks(result: dict[str, Any], **_: object) -> dict[str, Any]:
    """drf-spectacular's hook. Its own way needs a view for each webhook."""
    schemas = result["components"]["schemas"]
    schemas["WebhookEvent"] = describe_body({"$ref": "#/components/schemas/EventType"}, DATA)
    schemas["WebhookTest"] = describe_body({"type": "string", "const": TEST}, TEST_DATA)
    events = {
        name: {"allOf": [{"$ref": "#/components/schemas/WebhookEvent"}, {"properties": {"type": {"const": name}}}]}
        for name in EventType.values
    }
    bodies: dict[str, dict[str, Any]] = {**events, TEST: {"$ref": "#/components/schemas/WebhookTest"}}
    return {**result, "webhooks": {name: {"post": describe_post(name, body)} for name, body in bodies.items()}}


def describe_body(type_: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    properties = {"type": type_, "timestamp": {"type": "string", "format": "date-time"}, "data": data}
    return {"type": "object", "properties": properties, "required": list(properties)}


def describe_post(name: str, body: dict[str, Any]) -> dict[str, Any]:
    return {
        "summary": f"`{name}`, posted to the endpoints that chose it",
        "tags": ["webhooks"],
        "parameters": [
            {"name": header, "in": "header", "required": True, "description": text, "schema": {"type": "string"}}
            for header, text in HEADERS.items()
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {"2XX": {"description": "Received. Anything else is tried again."}},
    }
