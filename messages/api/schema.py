"""The description of `/emails` in the OpenAPI document."""

from typing import Any

from drf_spectacular.extensions import OpenApiViewExtension
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import serializers

from accounts.services import RecipientNotAllowedError
from common.openapi import FieldProblem, list_problems
from domains.services import SenderNotVerifiedError
from messages import services
from messages.api.batch import MAX_BATCH
from messages.api.dry_run import DryRunOutput
from messages.api.responses import EmailOutput, EmailRow
from messages.api.views import NotComposedError
from messages.deciding.settling import NotUncertainError
from messages.explain.serializers import ExplanationOutput
from messages.selectors import BodyPurgedError
from messages.states import Status
from tracking.event_serializers import EventOutput

ACCEPTED_ID = "01a2041b-7a3c-7c52-8f0e-6c2f6a1d3b9e"


class BatchItem(serializers.Serializer[object]):
    """An accepted email, with its index in the batch."""

    index = serializers.IntegerField()
    id = serializers.UUIDField()
    status = serializers.ChoiceField(choices=Status.choices)


class BatchRefusal(serializers.Serializer[object]):
    """A rejected email, with its index in the batch."""

    index = serializers.IntegerField()
    errors = FieldProblem(many=True)  # type: ignore[assignment]  # the name is the API's


class BatchOutput(serializers.Serializer[object]):
    """The accepted emails in order, and the rejected ones."""

    data = BatchItem(many=True)  # type: ignore[assignment]  # the name is the API's
    errors = BatchRefusal(many=True)  # type: ignore[assignment]


REFUSED = (SenderNotVerifiedError, RecipientNotAllowedError)

SIMPLE = {
    "from_": "Acme <hello@acme.example>",
    "to": "jo@example.com",
    "subject": "Your order is on its way",
    "text": "It should be with you tomorrow.",
}
EXAMPLES = [
    OpenApiExample("The required fields", SIMPLE, request_only=True),
    OpenApiExample(
        "With HTML, tags and a file",
        {
            **SIMPLE,
            "to": ["Jo Doe <jo@example.com>", "sam@example.com"],
            "html": "<p>It should be with you <b>tomorrow</b>.</p>",
            "reply_to": "support@acme.example",
            "tags": ["shipping"],
            "metadata": {"order": "1042"},
            "attachments": [
                {"filename": "invoice.txt", "content_type": "text/plain", "content_b64": "SW52b2ljZSAxMDQyCg=="}
            ],
        },
        request_only=True,
    ),
    OpenApiExample(
        "From a template",
        {"to": "jo@example.com", "template_id": "welcome", "template_vars": {"name": "Jo"}},
        request_only=True,
    ),
]
EXPLAINED = OpenApiExample(
    "A deferred email",
    {
        "id": ACCEPTED_ID,
        "status": "delivering",
        "test": False,
        "stream": "default",
        "why": "The recipient's server (mx1.example.com) deferred it on 2026-11-22 20:32:05 UTC: the "
        'mailbox is full. Reply: 452 4.2.2 "Over quota". That was attempt 2.',
        "next": "The service retries it. If it is not accepted by 2026-11-24 20:26:40 UTC, it fails.",
        "next_at": "2026-11-22T20:47:05.120000Z",
        "advice": ["Nothing: the service retries by itself."],
        "decisions": ["It was accepted on 2026-11-22 20:26:40 UTC."],
        "actions": [
            {
                "name": "resend",
                "words": "Resend the email to all recipients, as a new email.",
                "method": "POST",
                "path": f"/api/v1/emails/{ACCEPTED_ID}/resend",
                "body": None,
            }
        ],
        "recipients": [
            {
                "address": "jo@example.com",
                "status": "delivering",
                "status_reason": "deferred",
                "why": "The recipient's server (mx1.example.com) deferred it on 2026-11-22 20:32:05 UTC: "
                'the mailbox is full. Reply: 452 4.2.2 "Over quota". That was attempt 2.',
                "next": "The service retries it. If it is not accepted by 2026-11-24 20:26:40 UTC, it fails.",
                "next_at": "2026-11-22T20:47:05.120000Z",
                "advice": ["Nothing: the service retries by itself."],
                "decisions": ['Attempt 2 used "direct", the first by priority.'],
                "reason": "mailbox_full",
                "about": "recipient",
                "suppressed": False,
                "suppression": None,
                "said": {
                    "at": "2026-11-22T20:32:05.080000Z",
                    "by": "the recipient's server (mx1.example.com)",
                    "code": 452,
                    "enhanced_code": "4.2.2",
                    "reply": "Over quota",
                    "meaning": "the mailbox is full",
                    "reason": "mailbox_full",
                    "about": "recipient",
                },
            }
        ],
    },
    response_only=True,
)
BATCH = {
    "type": "array",
    "items": {"$ref": "#/components/schemas/EmailRequest"},
    "minItems": 1,
    "maxItems": MAX_BATCH,
}
# Generated clients understand only a binary type, so it comes first; the real Content-Type is listed beside it.
BYTES = OpenApiResponse(OpenApiTypes.BINARY, "The bytes, as a download.")
EML = OpenApiResponse({"type": "string"}, "The message (RFC 5322), as a download.")


class EmailViews(OpenApiViewExtension):  # type: ignore[no-untyped-call]
    """Adds the OpenAPI details of the views."""

    target_class = "messages.api.views.EmailViewSet"

    def view_replacement(self) -> Any:
        target: Any = self.target_class

        @extend_schema_view(
            create=extend_schema(
                operation_id="send_email",
                responses={
                    200: OpenApiResponse(DryRunOutput, "With `dry_run=true`: what would be sent to whom."),
                    202: OpenApiResponse(EmailRow, "Accepted."),
                    **list_problems(*REFUSED),
                },
                examples=EXAMPLES,
            ),
            batch=extend_schema(
                operation_id="send_batch", request={"application/json": BATCH}, responses={202: BatchOutput}
            ),
            list=extend_schema(responses=EmailRow),
            retrieve=extend_schema(responses=EmailOutput),
            partial_update=extend_schema(
                operation_id="reschedule_email",
                responses={200: EmailOutput, **list_problems(services.NotReschedulableError)},
            ),
            cancel=extend_schema(responses={200: EmailOutput, **list_problems(services.NotCancellableError)}),
            resend=extend_schema(
                responses={
                    202: EmailRow,
                    **list_problems(
                        services.NotResendableError, services.NothingToResendError, BodyPurgedError, *REFUSED
                    ),
                }
            ),
            settle=extend_schema(responses={200: EmailOutput, **list_problems(NotUncertainError)}),
            settle_many=extend_schema(operation_id="settle_emails", responses={200: BatchOutput}),
            explain=extend_schema(operation_id="explain_email", responses=ExplanationOutput, examples=[EXPLAINED]),
            events=extend_schema(operation_id="list_email_events", responses=EventOutput),
            raw=extend_schema(
                operation_id="get_email_raw",
                responses={
                    (200, "application/octet-stream"): BYTES,
                    (200, "message/rfc822"): EML,
                    **list_problems(NotComposedError, BodyPurgedError),
                },
            ),
            attachment=extend_schema(
                operation_id="get_email_attachment",
                responses={
                    (200, "application/octet-stream"): BYTES,
                    (200, "*/*"): BYTES,
                    **list_problems(BodyPurgedError),
                },
            ),
        )
        class Described(target):  # type: ignore[misc]
            pass

        return Described
