"""`/api/v1/erasures`: an address is erased from all that the project keeps, and the proof of it."""

from collections.abc import Generator
from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.idempotent_views import idempotent
from accounts.scopes import ERASURES_WRITE
from accounts.viewsets import ProjectViewSet
from common.serializers import AddressField, PageQuery, StrictDateTimeField, StrictSerializer, TimeField
from messages.lifetimes.erasures import request_erasure
from messages.models import Erasure, ErasureStatus


class ErasureInput(StrictSerializer):
    """The address to erase."""

    address = AddressField(help_text="Case is ignored. It is not stored beyond the end of the erasure.")


class ErasureQuery(PageQuery):
    """A page of the list."""


class ErasureOutput(serializers.Serializer[Erasure]):
    """An erasure: its state, and its proof when it is done. It does not name the address."""

    id = serializers.UUIDField()
    status = serializers.ChoiceField(choices=ErasureStatus.choices)
    address_hash = serializers.CharField(help_text="The keyed hash that stands for the address.")
    requested_by = serializers.CharField(help_text="The prefix of an API key, or `command`.")
    counts = serializers.DictField(
        child=serializers.IntegerField(), help_text="What was changed or removed so far, by kind."
    )
    created_at = StrictDateTimeField()
    finished_at = TimeField(help_text="Null while it runs.")


class ErasureViewSet(ProjectViewSet):
    """The project's erasures. They begin within seconds, and wait for a worker that is sending to the address."""

    scopes: ClassVar = dict.fromkeys(("list", "retrieve", "create"), ERASURES_WRITE)
    serializer_class = ErasureOutput
    queries = {"list": ErasureQuery}
    bodies = {"create": ErasureInput}

    def get_queryset(self) -> QuerySet[Erasure]:
        return self.project.erasures.all()

    @extend_schema(responses=ErasureOutput)
    def list(self, request: Request) -> Response:
        """List erasures, the newest first."""
        return self.list_rows(self.get_queryset())

    @extend_schema(responses=ErasureOutput)
    def retrieve(self, request: Request, pk: Any) -> Response:
        """Get an erasure with its proof."""
        return self.show(self.get_object())

    @extend_schema(responses={202: ErasureOutput})
    @idempotent
    def create(self, request: Request) -> Generator[None, None, Response]:
        """Erase an address from all data that was stored before now. Nothing undoes this."""
        address = self.read_body()["address"].address
        yield
        row = request_erasure(self.project, address, self.key.prefix)
        return self.created(row, 202)
