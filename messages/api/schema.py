"""How the OpenAPI document describes `/emails`."""

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
from messages.api.responses import EmailOutput, EmailRow
from messages.api.views import NotComposedError
from messages.explain.serializers import ExplanationOutput
from messages.states import Status
from tracking.event_serializers import EventOutput

ACCEPTED_ID = "01a2041b-7a3c-7c52-8f0e-6c2f6a1d3b9e"


class BatchItem(serializers.Serializer[object]):
    """An accepted email."""

    id = serializers.UUIDField()
    status = serializers.ChoiceField(choices=Status.choices)


class BatchRefusal(serializers.Serializer[object]):
    """An email that was not accepted, by its place in the batch."""

    index = serializers.IntegerField()
    errors = FieldProblem(many=True)  # type: ignore[assignment]  # the name is the API's


class BatchOutput(serializers.Serializer[object]):
    """The accepted emails in their order, and those that were not."""

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
    OpenApiExample("The least that is needed", SIMPLE, request_only=True),
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
        "why": "The recipient's server (mx1.example.com) did not take it for now on 22 Nov 2026, 20:32:05 UTC: the "
        'mailbox is full. It said: 452 4.2.2 "Over quota". That was try 2.',
        "next": "It is tried again, and given up if nobody has taken it by 24 Nov 2026, 20:26:40 UTC.",
        "next_at": "2026-11-22T20:47:05.120000Z",
        "advice": ["Nothing: it is tried again by itself."],
        "decisions": ["It was accepted on 22 Nov 2026, 20:26:40 UTC."],
        "actions": [
            {
                "name": "resend",
                "words": "Send it again to all recipients, as a new email.",
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
                "why": "The recipient's server (mx1.example.com) did not take it for now on 22 Nov 2026, 20:32:05 UTC: "
                'the mailbox is full. It said: 452 4.2.2 "Over quota". That was try 2.',
                "next": "It is tried again, and given up if nobody has taken it by 24 Nov 2026, 20:26:40 UTC.",
                "next_at": "2026-11-22T20:47:05.120000Z",
                "advice": ["Nothing: it is tried again by itself."],
                "decisions": ['Try 2 went to "direct", which comes first.'],
                "said": {
                    "at": "2026-11-22T20:32:05.080000Z",
                    "by": "the recipient's server (mx1.example.com)",
                    "code": 452,
                    "enhanced_code": "4.2.2",
                    "reply": "Over quota",
                    "meaning": "the mailbox is full",
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
# Clients that are generated know only bytes: that is named first, and beside it what stands in Content-Type.
BYTES = OpenApiResponse(OpenApiTypes.BINARY, "The bytes, as a download.")
EML = OpenApiResponse({"type": "string"}, "The message (RFC 5322), as a download.")


class EmailViews(OpenApiViewExtension):  # type: ignore[no-untyped-call]
    """Adds what the views themselves do not need to know."""

    target_class = "messages.api.views.EmailViewSet"

    def view_replacement(self) -> Any:
        target: Any = self.target_class

        @extend_schema_view(
            create=extend_schema(
                operation_id="send_email", responses={202: EmailRow, **list_problems(*REFUSED)}, examples=EXAMPLES
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
                    **list_problems(services.NotResendableError, services.NothingToResendError, *REFUSED),
                }
            ),
            settle=extend_schema(responses={200: EmailOutput, **list_problems(services.NotUncertainError)}),
            explain=extend_schema(operation_id="explain_email", responses=ExplanationOutput, examples=[EXPLAINED]),
            events=extend_schema(operation_id="list_email_events", responses=EventOutput),
            raw=extend_schema(
                operation_id="get_email_raw",
                responses={
                    (200, "application/octet-stream"): BYTES,
                    (200, "message/rfc822"): EML,
                    **list_problems(NotComposedError),
                },
            ),
            attachment=extend_schema(
                operation_id="get_email_attachment",
                responses={(200, "application/octet-stream"): BYTES, (200, "*/*"): BYTES},
            ),
        )
        class Described(target):  # type: ignore[misc]
            pass

        return Described
