"""`/api/v1/providers`."""

from collections.abc import Generator, Mapping
from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from accounts.idempotent_views import holds_secret, idempotent, idempotent_over_network, recorded
from accounts.scopes import PROVIDERS_READ, PROVIDERS_WRITE
from accounts.viewsets import ProjectViewSet
from common.openapi import list_problems
from common.pagination import KeysetPagination
from common.parsers import read_object
from providers.bounce_mailboxes import FIELD, complete_parts, find_mailbox, read_mailbox
from providers.connection_test import check_provider
from providers.models import Provider, ProviderKind
from providers.serializers import (
    CheckOutput,
    OwnProviderOutput,
    ProviderChange,
    ProviderCursor,
    ProviderInput,
    ProviderOutput,
    ProviderPauseInput,
    ProviderQuery,
)
from providers.services import (
    UNCHANGED,
    ProviderExistsError,
    SharedProviderError,
    build_provider,
    fill_provider,
    pause_provider,
    remove_provider,
    resume_provider,
    store_change,
    store_provider,
)
from providers.targets import ProviderTarget, find_target


class ProviderPagination(KeysetPagination):
    """The project's own providers, then the shared ones, each in order of use."""

    ordering = ("is_shared", "priority", "pk")

    def narrow(self, rows: QuerySet[Any], query: Mapping[str, Any]) -> QuerySet[Any]:
        if "after" not in query:
            return rows
        place: ProviderCursor = query["after"]
        is_later = Q(priority__gt=place.priority) | Q(priority=place.priority, pk__gt=place.pk)
        return rows.filter(Q(is_shared__gt=place.is_shared) | (Q(is_shared=place.is_shared) & is_later))

    def mark(self, row: Any) -> str:
        return ProviderCursor(is_shared=row.is_shared, priority=row.priority, pk=row.pk).write()


class ProviderViewSet(ProjectViewSet):
    """The project's providers, and the shared ones, which only the operator can change."""

    scopes: ClassVar = {
        "list": PROVIDERS_READ,
        "retrieve": PROVIDERS_READ,
        "create": PROVIDERS_WRITE,
        "partial_update": PROVIDERS_WRITE,
        "destroy": PROVIDERS_WRITE,
        "pause": PROVIDERS_WRITE,
        "resume": PROVIDERS_WRITE,
        "check": PROVIDERS_WRITE,
    }

    serializer_class = ProviderOutput
    pagination_class = ProviderPagination
    queries = {"list": ProviderQuery}
    unaudited = frozenset({"check"})
    bodies = {"create": ProviderInput, "partial_update": ProviderChange, "pause": ProviderPauseInput}

    def get_queryset(self) -> QuerySet[Provider]:
        is_shared = ExpressionWrapper(Q(project=None), output_field=BooleanField())
        rows = Provider.objects.filter(Q(project=self.project) | Q(project=None)).select_related("bounce_mailbox")
        return rows.annotate(is_shared=is_shared)

    def get_serializer_class(self) -> type[BaseSerializer[Any]]:
        return OwnProviderOutput if self.key.has_scope(PROVIDERS_WRITE) else ProviderOutput

    def find_own(self) -> Provider:
        """A provider of the project; SharedProviderError for a shared one, which is read-only."""
        provider: Provider = self.get_object()
        if provider.project_id is None:
            raise SharedProviderError
        return provider

    def read_provider(self, kept: Provider | None = None) -> tuple[ProviderTarget | None, dict[str, Any]]:
        """The body's target and its other fields; `kept` is the provider to be changed."""
        values = dict(self.body_class(context={"kept": kept}).run_validation(read_object(self.request)))
        target = find_target(values, kept)
        return target, {name: value for name, value in values.items() if name not in {"kind", "url", "settings"}}

    @extend_schema(responses=ProviderOutput)
    def list(self, request: Request) -> Response:
        """List the project's own providers, then the shared ones, each in order of use."""
        return self.list_rows(self.get_queryset())

    @extend_schema(responses=OwnProviderOutput)
    def retrieve(self, request: Request, pk: UUID) -> Response:
        """Get one provider."""
        return self.show(self.get_object())

    @extend_schema(responses={201: OwnProviderOutput, **list_problems(ProviderExistsError)})
    @idempotent
    @holds_secret
    def create(self, request: Request) -> Generator[None, None, Response]:
        """Add a provider. From then on the project's mail uses only its own providers."""
        target, values = self.read_provider()
        assert target is not None
        given = values.pop(FIELD, None)
        provider = build_provider(self.project, target=target, is_operated=False, **values)
        mailbox = read_mailbox(given, kind=ProviderKind(provider.kind), is_operated=False) if given else None
        yield
        return self.created(store_provider(provider, mailbox))

    @extend_schema(responses={200: OwnProviderOutput, **list_problems(ProviderExistsError, SharedProviderError)})
    @recorded
    def partial_update(self, request: Request, pk: UUID) -> Generator[None, None, Response]:
        """Change a provider. New `settings` replace the old ones. Credentials that are not given are kept, unless the
        host changes.
        """
        provider = self.find_own()
        target, values = self.read_provider(provider)
        given = values.pop(FIELD, UNCHANGED)
        fill_provider(provider, target=target, is_operated=False, **values)
        if isinstance(given, str | Mapping):
            complete = complete_parts(given, find_mailbox(provider))
            given = read_mailbox(complete, kind=ProviderKind(provider.kind), is_operated=False)
        yield
        return self.show(store_change(provider, given))

    @extend_schema(responses={204: None, **list_problems(SharedProviderError)})
    @recorded
    def destroy(self, request: Request, pk: UUID) -> Generator[None, None, Response]:
        """Delete a provider. Queued mail uses the other providers."""
        provider = self.find_own()
        self.read_body()
        yield
        remove_provider(provider)
        return Response(status=204)

    @extend_schema(responses={200: OwnProviderOutput, **list_problems(SharedProviderError)})
    @action(detail=True, methods=["post"])
    @idempotent
    @holds_secret
    def pause(self, request: Request, pk: UUID) -> Generator[None, None, Response]:
        """Pause a provider for some time or until it is resumed. Mail uses other providers or waits."""
        provider, values = self.find_own(), self.read_body()
        seconds = values.get("seconds")
        yield
        pause_provider(provider.pk, reason=values["reason"], pause=timedelta(seconds=seconds) if seconds else None)
        return self.show(self.get_object())

    @extend_schema(responses={200: OwnProviderOutput, **list_problems(SharedProviderError)})
    @action(detail=True, methods=["post"])
    @idempotent
    @holds_secret
    def resume(self, request: Request, pk: UUID) -> Generator[None, None, Response]:
        """Resume a paused provider."""
        provider = self.find_own()
        self.read_body()
        yield
        resume_provider(provider.pk)
        return self.show(self.get_object())

    @extend_schema(responses={200: CheckOutput, **list_problems(SharedProviderError)})
    @action(detail=True, methods=["post"])
    @idempotent_over_network
    def check(self, request: Request, pk: UUID) -> Response:
        """Test now whether the provider accepts mail. No mail is sent."""
        provider = self.find_own()
        self.read_body()
        return Response(CheckOutput(check_provider(provider)).data)
