"""`/api/v1/webhooks`."""

from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from accounts.models import Project
from accounts.scopes import WEBHOOKS_READ, WEBHOOKS_WRITE
from common.errors import NotFoundError
from common.parsers import read_object, read_optional_object
from common.serializers import PageQuery
from webhooks import services
from webhooks.models import DeliveryStatus, Endpoint, EndpointStatus
from webhooks.serializers import (
    DeliveryOutput,
    DeliveryPage,
    DeliveryQuery,
    EndpointInput,
    EndpointOutput,
    EndpointPage,
    EndpointPatch,
    EndpointWithSecret,
    NoFields,
    ReplayInput,
    ReplayOutput,
)


class WebhookViewSet(ViewSet):
    """The project's endpoints, and what was posted to them."""

    is_body_optional = True
    scopes: ClassVar = {
        "list": WEBHOOKS_READ,
        "retrieve": WEBHOOKS_READ,
        "deliveries": WEBHOOKS_READ,
        "create": WEBHOOKS_WRITE,
        "partial_update": WEBHOOKS_WRITE,
        "destroy": WEBHOOKS_WRITE,
        "test": WEBHOOKS_WRITE,
        "rotate": WEBHOOKS_WRITE,
        "replay": WEBHOOKS_WRITE,
    }

    @extend_schema(parameters=[PageQuery], responses=EndpointPage)
    def list(self, request: Request) -> Response:
        """The project's endpoints, the newest first."""
        query = read(PageQuery, request.query_params)
        limit, offset = query["limit"], query["offset"]
        rows = list(endpoints_of(request).order_by("-id")[offset : offset + limit + 1])
        return Response(
            {
                "data": [EndpointOutput(row).data for row in rows[:limit]],
                "has_more": len(rows) > limit,
                "limit": limit,
                "offset": offset,
            }
        )

    @extend_schema(request=EndpointInput, responses={201: EndpointWithSecret})
    def create(self, request: Request) -> Response:
        """Add an endpoint. The answer has its secret, which is not shown again."""
        values = read(EndpointInput, read_object(request))
        endpoint = services.add_endpoint(project_of(request), **values)
        response = Response(EndpointWithSecret(endpoint).data, status=201)
        response["Location"] = request.build_absolute_uri(f"{request.path.rstrip('/')}/{endpoint.pk}")
        return response

    @extend_schema(responses=EndpointOutput)
    def retrieve(self, request: Request, pk: UUID) -> Response:
        """One endpoint."""
        return Response(EndpointOutput(find_endpoint(request, pk)).data)

    @extend_schema(request=EndpointPatch, responses=EndpointOutput)
    def partial_update(self, request: Request, pk: UUID) -> Response:
        """Change an endpoint, disable it, or enable it again."""
        endpoint = find_endpoint(request, pk)
        values = read(EndpointPatch, read_object(request))
        if "status" in values:
            values["status"] = EndpointStatus(values["status"])
        return Response(EndpointOutput(services.change_endpoint(endpoint, services.EndpointChange(**values))).data)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: UUID) -> Response:
        """Remove an endpoint with its log; what is on its way is not posted any more."""
        services.remove_endpoint(find_endpoint(request, pk))
        return Response(status=204)

    @extend_schema(operation_id="list_webhook_deliveries", parameters=[DeliveryQuery], responses=DeliveryPage)
    @action(detail=True, methods=["get"])
    def deliveries(self, request: Request, pk: UUID) -> Response:
        """What was posted, the newest first: the body, each answer, its time."""
        endpoint = find_endpoint(request, pk)
        query = read(DeliveryQuery, request.query_params)
        limit, offset = query["limit"], query["offset"]
        found = endpoint.deliveries.order_by("-id")
        for name, condition in (("after", "id__lt"), ("status", "status"), ("type", "type"), ("event_id", "event_id")):
            if name in query:
                found = found.filter(**{condition: query[name]})
        rows = list(found[offset : offset + limit + 1])
        has_more = len(rows) > limit
        return Response(
            {
                "data": [DeliveryOutput(row).data for row in rows[:limit]],
                "has_more": has_more,
                "limit": limit,
                "offset": offset,
                "next": str(rows[limit - 1].pk) if has_more else None,
            }
        )

    @extend_schema(request=None, responses={202: DeliveryOutput})
    @action(detail=True, methods=["post"])
    def test(self, request: Request, pk: UUID) -> Response:
        """Put a test event of type `webhook.test` on its way. It is tried once; the log shows what came of it."""
        endpoint = find_endpoint(request, pk)
        read(NoFields, read_optional_object(request))
        return Response(DeliveryOutput(services.send_test(endpoint)).data, status=202)

    @extend_schema(request=None, responses=EndpointWithSecret)
    @action(detail=True, methods=["post"])
    def rotate(self, request: Request, pk: UUID) -> Response:
        """Make a new secret. For 24 hours every post is signed with both."""
        endpoint = find_endpoint(request, pk)
        read(NoFields, read_optional_object(request))
        return Response(EndpointWithSecret(services.rotate_secret(endpoint)).data)

    @extend_schema(request=ReplayInput, responses={202: ReplayOutput})
    @action(detail=True, methods=["post"])
    def replay(self, request: Request, pk: UUID) -> Response:
        """Post one delivery again, or all that failed since a time. They keep their ids."""
        endpoint = find_endpoint(request, pk)
        values = read(ReplayInput, read_object(request))
        if "delivery_id" in values:
            count = services.replay_one(endpoint, values["delivery_id"])
        else:
            count = services.replay_selected(endpoint, read_selection(values))
        return Response({"replayed": count}, status=202)


def read_selection(values: dict[str, Any]) -> services.Selection:
    status = values.get("status", DeliveryStatus.FAILED)
    return services.Selection(
        since=values["since"],
        until=values.get("until"),
        types=values.get("types"),
        status=None if status == "all" else DeliveryStatus(status),
    )


def project_of(request: Request) -> Project:
    project: Project = request.user.project  # type: ignore[union-attr]
    return project


def endpoints_of(request: Request) -> Any:
    """The project's endpoints; their secrets stay in the database until somebody asks for them."""
    return project_of(request).endpoints.defer("secret", "previous_secret")


def find_endpoint(request: Request, pk: UUID) -> Endpoint:
    """The project's endpoint; NotFoundError for another project's as for none."""
    endpoint: Endpoint | None = endpoints_of(request).filter(pk=pk).first()
    if endpoint is None:
        raise NotFoundError
    return endpoint


def read(serializer_class: type[serializers.Serializer[Any]], data: object) -> dict[str, Any]:
    serializer = serializer_class(data=data)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)
