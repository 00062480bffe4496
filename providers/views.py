"""`/api/v1/providers`."""

from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import F, Q, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from accounts.models import ApiKey
from accounts.scopes import PROVIDERS_READ, PROVIDERS_WRITE
from common.errors import NotFoundError
from common.openapi import list_problems
from common.parsers import read_object, read_optional_object
from providers.connection_test import check_provider
from providers.models import Kind, Provider
from providers.serializers import (
    CheckOutput,
    OwnProviderOutput,
    PauseInput,
    ProviderChange,
    ProviderInput,
    ProviderOutput,
    ProviderPage,
    ProviderQuery,
)
from providers.services import (
    ProviderExistsError,
    SharedProviderError,
    Target,
    add_provider,
    change_provider,
    pause_provider,
    remove_provider,
    resume_provider,
)


class ProviderViewSet(ViewSet):
    """The project's ways out, and beside them those that all projects share, which only the operator changes."""

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

    @extend_schema(parameters=[ProviderQuery], responses=ProviderPage)
    def list(self, request: Request) -> Response:
        """The project's providers and the shared ones, each in the order in which they are used."""
        query = ProviderQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        limit, offset = query.validated_data["limit"], query.validated_data["offset"]
        rows = [
            *visible(request).order_by(F("project").asc(nulls_last=True), "priority", "id")[offset : offset + limit + 1]
        ]
        data = [serialize(request, row) for row in rows[:limit]]
        return Response({"data": data, "has_more": len(rows) > limit, "limit": limit, "offset": offset})

    @extend_schema(responses=OwnProviderOutput)
    def retrieve(self, request: Request, pk: UUID) -> Response:
        """One provider."""
        return show(request, find(request, pk))

    @extend_schema(request=ProviderInput, responses={201: OwnProviderOutput, **list_problems(ProviderExistsError)})
    def create(self, request: Request) -> Response:
        """Add a provider. From then on the project's mail goes by its own providers only."""
        values = validate(ProviderInput(data=read_object(request)))
        target = take_target(values)
        assert target is not None
        provider = add_provider(key_of(request).project, target=target, is_operated=False, **values)
        response = show(request, provider, status=201)
        response["Location"] = request.build_absolute_uri(f"{request.path.rstrip('/')}/{provider.pk}")
        return response

    @extend_schema(
        request=ProviderChange,
        responses={200: OwnProviderOutput, **list_problems(ProviderExistsError, SharedProviderError)},
    )
    def partial_update(self, request: Request, pk: UUID) -> Response:
        """Change a provider. New `settings` replace the old ones; credentials that are not named stay, as long as the
        host does.
        """
        values = validate(ProviderChange(data=read_object(request)))
        provider = find_own(request, pk)
        if "settings" in values:
            values.setdefault("kind", provider.kind)
        return show(request, change_provider(provider, target=take_target(values), is_operated=False, **values))

    @extend_schema(responses={204: None, **list_problems(SharedProviderError)})
    def destroy(self, request: Request, pk: UUID) -> Response:
        """Remove a provider. Mail that waits goes by the others."""
        remove_provider(find_own(request, pk))
        return Response(status=204)

    @extend_schema(request=PauseInput, responses={200: OwnProviderOutput, **list_problems(SharedProviderError)})
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, pk: UUID) -> Response:
        """Send nothing by this provider, for some time or until it is resumed. Mail goes by the others, or waits."""
        values = validate(PauseInput(data=read_optional_object(request)))
        seconds = values.get("seconds")
        pause = timedelta(seconds=seconds) if seconds else None
        pause_provider(find_own(request, pk).pk, reason=values["reason"], pause=pause)
        return show(request, find(request, pk))

    @extend_schema(request=None, responses={200: OwnProviderOutput, **list_problems(SharedProviderError)})
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: UUID) -> Response:
        """Use a paused provider again."""
        resume_provider(find_own(request, pk).pk)
        return show(request, find(request, pk))

    @extend_schema(request=None, responses={200: CheckOutput, **list_problems(SharedProviderError)})
    @action(detail=True, methods=["post"])
    def check(self, request: Request, pk: UUID) -> Response:
        """Ask the provider now whether it would take mail. Nothing is sent."""
        return Response(CheckOutput(check_provider(find_own(request, pk))).data)


def key_of(request: Request) -> ApiKey:
    assert isinstance(request.auth, ApiKey)
    return request.auth


def visible(request: Request) -> QuerySet[Provider]:
    return Provider.objects.filter(Q(project=key_of(request).project) | Q(project=None))


def find(request: Request, pk: UUID) -> Provider:
    provider = visible(request).filter(pk=pk).first()
    if provider is None:
        raise NotFoundError
    return provider


def find_own(request: Request, pk: UUID) -> Provider:
    """A provider that the key may change; SharedProviderError for one that it may only see."""
    provider = find(request, pk)
    if provider.project_id is None:
        raise SharedProviderError
    return provider


def validate(serializer: serializers.BaseSerializer[Any]) -> dict[str, Any]:
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def take_target(values: dict[str, Any]) -> Target | None:
    """Where the provider is to be, taken out of `values`; None when they do not say."""
    kind, url, settings = (values.pop(name, None) for name in ("kind", "url", "settings"))
    if not url and settings is None and kind is None:
        return None
    return Target(kind=Kind(kind) if kind else None, url=url or "", settings=settings)


def serialize(request: Request, provider: Provider) -> dict[str, Any]:
    may_write = key_of(request).has_scope(PROVIDERS_WRITE)
    return dict((OwnProviderOutput if may_write else ProviderOutput)(provider).data)


def show(request: Request, provider: Provider, status: int = 200) -> Response:
    return Response(serialize(request, provider), status=status)
