"""SendGrid's batch ids: groups of scheduled emails that are cancelled or paused together."""

from http import HTTPStatus
from typing import ClassVar
from uuid import UUID, uuid4

from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import scopes
from common.errors import NotFoundError
from common.serializers import StrictCharField, StrictChoiceField, StrictSerializer
from gateways.compat.rewriting import reject
from gateways.sendgrid.requests import write_batch
from gateways.sendgrid.viewsets import SendGridViewSet
from messages import services
from messages.models import Message
from messages.pause_models import Pause, PauseKind
from messages.pausing.services import end_pause, list_active, start_pause
from messages.pausing.values import PauseValue
from messages.states import Status

CANCEL, PAUSE = "cancel", "pause"
# Groups in a list.
MAX_LISTED = 500


class StopChange(StrictSerializer):
    """The new state of a group."""

    status = StrictChoiceField(choices=[CANCEL, PAUSE])


class StopRequest(StopChange):
    """The group to cancel or to pause."""

    batch_id = StrictCharField(max_length=100)


class GroupViewSet(SendGridViewSet):
    """`/v3/mail/batch` and `/v3/user/scheduled_sends`. A group is nothing but the id that its emails name.

    A paused group is a pause of ours: its emails wait when their time has come, those too that are accepted later. A
    cancelled email stays cancelled.
    """

    scopes: ClassVar = dict.fromkeys(
        ("generate", "retrieve", "list", "list_one", "stop", "change", "resume"), scopes.EMAILS_SEND
    )
    # It stores nothing; the end of a pause writes its entry.
    unaudited: ClassVar = frozenset({"generate", "resume"})
    bodies: ClassVar = {"stop": StopRequest, "change": StopChange}

    def generate(self, request: Request) -> Response:
        """A new id."""
        self.read_body()
        return Response({"batch_id": str(uuid4())}, status=HTTPStatus.CREATED)

    def retrieve(self, request: Request, pk: UUID) -> Response:
        """Whether an id has the right form."""
        return Response({"batch_id": str(pk)})

    def select(self) -> QuerySet[Message]:
        """The emails of the key's world that are in a group."""
        rows: QuerySet[Message] = self.project.messages.filter(batch_id__isnull=False, is_test=self.key.is_test)
        return rows

    def find_pause(self, pk: UUID) -> Pause | None:
        paused = list_active().filter(project=self.project, kind=PauseKind.BATCH, value=str(pk))
        return paused.first() if self.select().filter(batch_id=pk).exists() else None

    def list(self, request: Request) -> Response:
        """The groups that are paused, and those of which emails have been cancelled; the newest first."""
        paused = list_active().filter(project=self.project, kind=PauseKind.BATCH).values_list("value", flat=True)
        groups = self.select().order_by("-batch_id").values_list("batch_id", flat=True).distinct()
        held = {UUID(value) for value in paused}
        shown = dict.fromkeys(groups.filter(batch_id__in=held)[:MAX_LISTED], PAUSE)
        for pk in groups.filter(status=Status.CANCELLED)[:MAX_LISTED]:
            shown.setdefault(pk, CANCEL)
        return Response([{"batch_id": str(pk), "status": word} for pk, word in shown.items()][:MAX_LISTED])

    def list_one(self, request: Request, pk: UUID) -> Response:
        """The group if it is paused, or emails of it have been cancelled, in a list of one; else an empty list."""
        word = PAUSE if self.find_pause(pk) else CANCEL
        is_stopped = word == PAUSE or self.select().filter(batch_id=pk, status=Status.CANCELLED).exists()
        return Response([{"batch_id": str(pk), "status": word}] if is_stopped else [])

    def stop(self, request: Request) -> Response:
        """Cancel the scheduled emails of a group that have been accepted, or pause the group.

        After the 201 none of them is delivered.
        """
        fields = self.read_body()
        pk = write_batch(fields["batch_id"])["batch_id"]
        if not self.select().filter(batch_id=pk).exists():
            reject("batch_id", "No email has this batch_id.")
        response = Response({"batch_id": str(pk), "status": fields["status"]}, status=HTTPStatus.CREATED)
        self.apply(pk, fields["status"], response)
        return response

    def change(self, request: Request, pk: UUID) -> Response:
        """Cancel a paused group, or pause what is not cancelled of one."""
        word = self.read_body()["status"]
        if not self.select().filter(batch_id=pk).exists():
            raise NotFoundError
        response = Response(status=HTTPStatus.NO_CONTENT)
        self.apply(pk, word, response)
        return response

    def apply(self, pk: UUID, word: str, response: Response) -> None:
        if word == CANCEL:
            services.cancel_group(self.select().filter(batch_id=pk), lambda: self.record_change(response))
            if pause := self.find_pause(pk):
                end_pause(self.key.prefix, pause)
            return
        # The pause writes its entry of the audit log.
        self.is_recorded = True
        if self.find_pause(pk) is None:
            start_pause(self.key.prefix, self.project, PauseKind.BATCH, value=PauseValue(str(pk), str(pk)))

    def resume(self, request: Request, pk: UUID) -> Response:
        """End the pause of a group: its emails leave at their time, or at once if that is past."""
        self.read_body()
        pause = self.find_pause(pk)
        if pause is None:
            if self.select().filter(batch_id=pk, status=Status.CANCELLED).exists():
                reject("batch_id", "Its emails are cancelled, and stay so.")
            raise NotFoundError
        end_pause(self.key.prefix, pause)
        return Response(status=HTTPStatus.NO_CONTENT)
