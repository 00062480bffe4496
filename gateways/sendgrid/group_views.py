"""SendGrid's batch ids: groups of scheduled emails that are cancelled together."""

from http import HTTPStatus
from typing import ClassVar
from uuid import UUID, uuid4

from rest_framework.request import Request
from rest_framework.response import Response

from accounts import scopes
from common.serializers import StrictCharField, StrictChoiceField, StrictSerializer
from gateways.compat.rewriting import reject
from gateways.sendgrid.requests import write_batch
from gateways.sendgrid.viewsets import SendGridViewSet
from messages import services
from messages.states import Status

CANCEL = "cancel"


class CancelRequest(StrictSerializer):
    """The group to cancel. `pause` is refused: an email can be scheduled anew instead."""

    batch_id = StrictCharField(max_length=100)
    status = StrictChoiceField(choices=[CANCEL])


class GroupViewSet(SendGridViewSet):
    """`/v3/mail/batch` and `/v3/user/scheduled_sends`. A group is nothing but the id that its emails name."""

    scopes: ClassVar = {
        "generate": scopes.EMAILS_SEND,
        "retrieve": scopes.EMAILS_SEND,
        "cancel": scopes.EMAILS_SEND,
        "list_stopped": scopes.EMAILS_SEND,
    }
    # It stores nothing.
    unaudited: ClassVar = frozenset({"generate"})
    bodies: ClassVar = {"cancel": CancelRequest}

    def generate(self, request: Request) -> Response:
        """A new id."""
        self.read_body()
        return Response({"batch_id": str(uuid4())}, status=HTTPStatus.CREATED)

    def retrieve(self, request: Request, pk: UUID) -> Response:
        """Whether an id has the right form."""
        return Response({"batch_id": str(pk)})

    def list_stopped(self, request: Request, pk: UUID) -> Response:
        """The group if emails of it have been cancelled, in a list of one; else an empty list."""
        group = self.keep_world(self.project.messages.filter(batch_id=pk, status=Status.CANCELLED))
        return Response([{"batch_id": str(pk), "status": CANCEL}] if group.exists() else [])

    def cancel(self, request: Request) -> Response:
        """Cancel the scheduled emails of a group that have been accepted. After the 201 none of them is delivered."""
        fields = self.read_body()
        batch_id = write_batch(fields["batch_id"])["batch_id"]
        group = self.keep_world(self.project.messages.filter(batch_id=batch_id))
        if not group.exists():
            reject("batch_id", "No email has this batch_id.")
        response = Response({"batch_id": str(batch_id), "status": CANCEL}, status=HTTPStatus.CREATED)
        services.cancel_group(group, lambda: self.record_change(response))
        return response
