"""The OpenAPI document's `webhooks`: the payload posted to endpoints, for each event type."""

from typing import Any

from webhooks.event_types import TEST, EventType

STATUS = {"$ref": "#/components/schemas/EmailStatus"}
DATA = {
    "type": "object",
    "description": "The identifying fields of an event, and its own data.",
    "properties": {
        "email_id": {"type": "string", "format": "uuid"},
        "recipient": {"type": ["string", "null"], "description": "Null for events of the whole email."},
        "status": {**STATUS, "description": "The recipient's."},
        "email_status": STATUS,
        "seq": {"type": "integer", "description": "Numbers the events of one email."},
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
    "webhook-id": "The event's id, the same in every attempt.",
    "webhook-timestamp": "Time of this attempt, in seconds since 1970.",
    "webhook-signature": "`v1,` and the signature (Standard Webhooks); several are separated by spaces.",
}


def add_webhooks(result: dict[str, Any], **_: object) -> dict[str, Any]:
    """drf-spectacular's hook. Its own mechanism needs a view for each webhook."""
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
        "summary": f"`{name}`, posted to the endpoints that subscribe to it",
        "tags": ["webhooks"],
        "parameters": [
            {"name": header, "in": "header", "required": True, "description": text, "schema": {"type": "string"}}
            for header, text in HEADERS.items()
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {"2XX": {"description": "Received. Any other status is retried."}},
    }
