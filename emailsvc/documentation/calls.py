"""The example of each operation, by its id in the OpenAPI document. Tests run them all, and miss none."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from emailsvc.documentation.samples import ResponseKind, SampleCall


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """What an operation's example sends and gets. `fill` overrides what stands for a path's parameters."""

    body: object = None
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    fill: Mapping[str, str] = field(default_factory=dict)
    kind: ResponseKind = ResponseKind.JSON
    file: str = ""


# What stands for a parameter of a path, by the operation's tag: an environment variable, or a text.
PARAMETERS: Mapping[str, Mapping[str, str]] = {
    "emails": {"id": "{EMAIL_ID}", "attachment_id": "{ATTACHMENT_ID}"},
    "domains": {"id": "{DOMAIN_ID}"},
    "providers": {"id": "{PROVIDER_ID}"},
    "webhooks": {"id": "{WEBHOOK_ID}"},
    "templates": {"ref": "welcome"},
    "suppressions": {"address": "jo@example.com"},
    "streams": {"ref": "digest"},
    "erasures": {"id": "{ERASURE_ID}"},
    "admin": {"id": "{PROJECT_ID}", "ref": "digest", "name": "sue"},
}
# Replaced by a day within the time for which mail may be scheduled.
SOON = "2030-01-01T09:00:00Z"
PAST = "2026-01-01T00:00:00Z"
SOME_ID = "01a2041b-7a3c-7c52-8f0e-6c2f6a1d3b9e"

EMAIL = {
    "from_": "Acme <hello@acme.example>",
    "to": "jo@example.com",
    "subject": "Your order is on its way",
    "text": "It should be with you tomorrow.",
}
ONE = {"from_": "hello@acme.example", "subject": "Hello", "text": "Hello."}
NOTHING = Example(kind=ResponseKind.EMPTY)
OF_KEY = Example(fill={"id": "{KEY_ID}"})

EXAMPLES: Mapping[str, Example] = {
    "send_email": Example(headers={"Idempotency-Key": "order-1042"}, body=EMAIL),
    "send_batch": Example(body=[{**ONE, "to": "jo@example.com"}, {**ONE, "to": "sam@example.com"}]),
    "list_emails": Example(query={"status": "bounced", "limit": "10"}),
    "get_email": Example(),
    "reschedule_email": Example(body={"scheduled_at": SOON}),
    "cancel_email": Example(),
    "resend_email": Example(body={"recipients": "failed"}),
    "settle_email": Example(body={"as": "sent"}),
    "settle_emails": Example(body={"ids": [SOME_ID], "as": "sent"}),
    "list_email_events": Example(),
    "explain_email": Example(),
    "get_email_raw": Example(kind=ResponseKind.FILE, file="message.eml"),
    "get_email_attachment": Example(kind=ResponseKind.FILE, file="invoice.pdf"),
    "list_requests": Example(query={"status": "422", "limit": "50"}),
    "list_events": Example(query={"types": "email.bounced,email.complained", "limit": "100"}),
    "stream_events": Example(kind=ResponseKind.STREAM),
    "list_templates": Example(query={"limit": "10"}),
    "create_template": Example(
        body={
            "alias": "receipt",
            "name": "Receipt",
            "subject": "Your receipt {{ number }}",
            "html": "<p>Hello {{ name }}, thank you.</p>",
        }
    ),
    "get_template": Example(),
    "update_template": Example(body={"subject": "Welcome, {{ name }}"}),
    "delete_template": NOTHING,
    "preview_template": Example(body={"template_vars": {"name": "Jo"}}),
    "publish_template": Example(),
    "test_template": Example(
        body={"from_": "hello@acme.example", "to": "me@acme.example", "template_vars": {"name": "Jo"}}
    ),
    "list_template_versions": Example(),
    "list_domains": Example(),
    "create_domain": Example(body={"name": "acme.example", "default_from": "Acme <hello@acme.example>"}),
    "get_domain": Example(),
    "update_domain": Example(body={"default_from": "Acme <news@acme.example>"}),
    "delete_domain": NOTHING,
    "verify_domain": Example(),
    "rotate_domain": Example(),
    "list_suppressions": Example(query={"reason": "bounce"}),
    "create_suppression": Example(body={"address": "jo@example.com", "reason": "manual"}),
    "import_suppressions": Example(
        # email,reason / lee@example.com,complaint
        body={"content_b64": "ZW1haWwscmVhc29uCmxlZUBleGFtcGxlLmNvbSxjb21wbGFpbnQK"}
    ),
    "get_suppression": Example(),
    "delete_suppression": NOTHING,
    "release_suppression": Example(body={"resend": True}),
    "create_erasure": Example(body={"address": "jo@example.com"}),
    "list_erasures": Example(),
    "get_erasure": Example(),
    "list_streams": Example(),
    "create_stream": Example(body={"name": "newsletter", "type": "broadcast"}),
    "get_stream": Example(),
    "delete_stream": NOTHING,
    "list_webhooks": Example(),
    "create_webhook": Example(
        body={"url": "https://hooks.acme.example/mail", "events": ["email.delivered", "email.bounced"]}
    ),
    "get_webhook": Example(),
    "update_webhook": Example(body={"events": ["*"]}),
    "delete_webhook": NOTHING,
    "test_webhook": Example(),
    "rotate_webhook": Example(),
    "replay_webhook": Example(body={"since": PAST}),
    "list_webhook_deliveries": Example(query={"status": "failed"}),
    "list_providers": Example(),
    "create_provider": Example(
        body={"name": "relay", "url": "smtp://user:password@relay.acme.example:587", "priority": 10}
    ),
    "get_provider": Example(),
    "update_provider": Example(body={"weight": 3}),
    "delete_provider": NOTHING,
    "check_provider": Example(),
    "pause_provider": Example(body={"reason": "Their maintenance"}),
    "resume_provider": Example(),
    "get_stats": Example(query={"from": "2026-11-01T00:00:00Z", "to": "2026-12-01T00:00:00Z", "group": "tag"}),
    "get_me": Example(),
    "list_managed_projects": Example(query={"limit": "10"}),
    "create_managed_project": Example(body={"name": "Shop", "contact_email": "mail@shop.example"}),
    "get_managed_project": Example(),
    "put_managed_project": Example(body={"name": "Acme Europe", "contact_email": "mail@acme.example"}),
    "close_project": Example(query={"delete_after_days": "30"}),
    "get_project_limits": Example(),
    "put_project_limits": Example(body={"messages_per_second": 50, "messages_per_day": 100_000}),
    "get_project_retention": Example(),
    "put_project_retention": Example(body={"bodies": 7, "attachments": 7, "messages": 365, "events": 365}),
    "list_managed_members": Example(),
    "put_managed_member": Example(body={"role": "developer"}),
    "delete_managed_member": NOTHING,
    "list_managed_streams": Example(),
    "create_managed_stream": Example(body={"name": "newsletter", "type": "broadcast"}),
    "get_managed_stream": Example(),
    "delete_managed_stream": NOTHING,
    "list_managed_keys": Example(query={"limit": "10"}),
    "create_managed_key": Example(body={"project_id": SOME_ID, "name": "checkout", "scopes": ["emails:send"]}),
    "get_managed_key": OF_KEY,
    "rotate_managed_key": Example(fill={"id": "{KEY_ID}"}, body={"overlap_seconds": 3600}),
    "revoke_managed_key": OF_KEY,
    "get_key_limits": OF_KEY,
    "put_key_limits": Example(fill={"id": "{KEY_ID}"}, body={"requests_per_second": 20}),
    "list_pauses": Example(query={"kind": "stream"}),
    "create_pause": Example(
        body={"project_id": SOME_ID, "kind": "stream", "value": "digest", "reason": "Wrong prices in the template"}
    ),
    "get_pause": Example(fill={"id": "{PAUSE_ID}"}),
    "resume_pause": Example(fill={"id": "{PAUSE_ID}"}, query={"drop": "false"}, kind=ResponseKind.EMPTY),
    "list_audit_entries": Example(query={"action": "create_key"}),
}


def build_call(method: str, path: str, tag: str, example: Example) -> SampleCall:
    """The request of an example; `path` as in the OpenAPI document."""
    for name, value in {**PARAMETERS.get(tag, {}), **example.fill}.items():
        path = path.replace(f"{{{name}}}", value)
    return SampleCall(
        method=method.upper(),
        path=path,
        query=example.query,
        headers=example.headers,
        body=example.body,
        kind=example.kind,
        file=example.file,
    )
