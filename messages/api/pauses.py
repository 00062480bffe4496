"""`/api/v1/admin/pauses`."""

from collections.abc import Generator
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.idempotent_views import idempotent
from accounts.installation.keys import find_project
from accounts.scopes import ADMIN
from accounts.viewsets import ApiViewSet
from common.openapi import list_problems
from common.serializers import (
    PageQuery,
    QuerySerializer,
    SingleLineField,
    StrictChoiceField,
    StrictDateTimeField,
    StrictSerializer,
    StrictUUIDField,
    TimeField,
)
from messages.models import Pause
from messages.pause_models import PauseKind
from messages.pausing.services import PauseExistsError, end_pause, start_pause
from messages.pausing.values import read_value

# What people may pause; the guard has one kind more.
KINDS = [kind for kind in PauseKind if kind is not PauseKind.MAILBOX_PROVIDER]


class PauseInput(StrictSerializer):
    """A new pause."""

    project_id = StrictUUIDField(
        default=None,
        allow_null=True,
        help_text="The project; null for all, which domains and providers alone can have.",
    )
    kind = StrictChoiceField(choices=[str(kind) for kind in KINDS], help_text="What is paused.")
    value = SingleLineField(
        default="",
        allow_blank=True,
        max_length=320,
        help_text="An id, or the name, the alias or a key's prefix; a domain; a tag. The kind `project` needs none.",
    )
    reason = SingleLineField(
        default="", allow_blank=True, max_length=500, help_text="Shown where the mail is explained."
    )


class BooleanWord(StrictChoiceField):
    """`true` or `false` in a query string."""

    def __init__(self, **options: Any) -> None:
        super().__init__(choices=["true", "false"], default="false", **options)


class PauseQuery(PageQuery):
    """The list of pauses."""

    project_id = serializers.UUIDField(required=False, help_text="Pauses of this project.")
    kind = StrictChoiceField(choices=PauseKind.choices, required=False)
    ended = BooleanWord(help_text="`true`: those that have ended, in place of those that hold.")


class ResumeQuery(QuerySerializer):
    """How a pause ends."""

    drop = BooleanWord(help_text="`true`: its mail that is queued or delivering fails, reason `dropped`.")


class PauseOutput(serializers.Serializer[Pause]):
    """A pause. `data` holds what the guard measured."""

    id = serializers.UUIDField()
    project_id = serializers.UUIDField(allow_null=True)
    kind = serializers.ChoiceField(choices=PauseKind.choices)
    value = serializers.CharField()
    name = serializers.CharField(source="label", help_text="The value as people know it.")
    reason = serializers.CharField()
    made_by = serializers.CharField(help_text="A key's prefix, a user's name, `command`, or `guard`.")
    only_opt_out = serializers.BooleanField(help_text="Only mail that offers an opt-out and is not critical.")
    per_minute = serializers.IntegerField(allow_null=True, help_text="The pace to which bulk mail is slowed.")
    data = serializers.DictField()  # type: ignore[assignment]
    created_at = StrictDateTimeField()
    dropping_at = TimeField(help_text="When it began to drop its mail.")
    ended_at = TimeField()
    ended_by = serializers.CharField()


class PauseViewSet(ApiViewSet):
    """Pauses: mail that is not sent until a person resumes it."""

    scopes: ClassVar = dict.fromkeys(("list", "retrieve", "create", "destroy"), ADMIN)
    serializer_class = PauseOutput
    queries = {"list": PauseQuery, "destroy": ResumeQuery}
    bodies = {"create": PauseInput}
    filters = {
        "project_id": lambda project_id: Q(project_id=project_id),
        "kind": lambda kind: Q(kind=kind),
        "ended": lambda word: Q(ended_at__isnull=word == "false"),
    }
    # The services write the entries.
    unaudited = frozenset({"create", "destroy"})

    def get_queryset(self) -> QuerySet[Pause]:
        return Pause.objects.all()

    @extend_schema(responses=PauseOutput)
    def list(self, request: Request) -> Response:
        """List the pauses that hold, the newest first."""
        return self.list_rows(self.filter_queryset(self.get_queryset()))

    @extend_schema(responses={201: PauseOutput, **list_problems(PauseExistsError)})
    @idempotent
    def create(self, request: Request) -> Generator[None, None, Response]:
        """Pause mail, or a provider. Mail that a worker has just begun to send is still sent."""
        values = self.read_body()
        project = find_project(values["project_id"]) if values["project_id"] else None
        kind = PauseKind(values["kind"])
        value = read_value(project, kind, values["value"])
        yield
        return self.created(start_pause(self.key.prefix, project, kind, value=value, reason=values["reason"]))

    @extend_schema(responses=PauseOutput)
    def retrieve(self, request: Request, pk: UUID) -> Response:
        """Get a pause, also one that has ended."""
        return self.show(self.get_object())

    @extend_schema(operation_id="resume_pause", responses={204: None})
    def destroy(self, request: Request, pk: UUID) -> Response:
        """Resume: the mail goes out, or with `drop=true` it fails. Again it does nothing."""
        pause: Pause = self.get_object()
        self.read_body()
        end_pause(self.key.prefix, pause, should_drop=self.query["drop"] == "true")
        return Response(status=204)
