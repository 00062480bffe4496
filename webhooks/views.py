"""`/api/v1/webhooks`."""

from collections.abc import Callable, Generator
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.idempotent_views import holds_secret, idempotent, recorded
from accounts.scopes import WEBHOOKS_READ, WEBHOOKS_WRITE
from accounts.viewsets import ProjectViewSet
from common.openapi import list_problems
from webhooks import services
from webhooks.models import DeliveryStatus, Endpoint, EndpointStatus, WebhookDelivery
from webhooks.serializers import (
    DeliveryOutput,
    DeliveryQuery,
    EndpointInput,
    EndpointOutput,
    EndpointPatch,
    EndpointQuery,
    EndpointWithSecret,
    ReplayInput,
    ReplayOutput,
)


def by(column: str) -> Callable[[Any], Q]:
    """A filter: the column equals the value."""
    return lambda value: Q(**{column: value})


class WebhookViewSet(ProjectViewSet):
    """The project's webhook endpoints and their deliveries."""

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

    serializer_class = EndpointOutput
    answers = {
        "create": EndpointWithSecret,
        "rotate": EndpointWithSecret,
        "deliveries": DeliveryOutput,
        "test": DeliveryOutput,
    }
    queries = {"list": EndpointQuery, "deliveries": DeliveryQuery}
    bodies = {"create": EndpointInput, "partial_update": EndpointPatch, "replay": ReplayInput}

    def get_queryset(self) -> QuerySet[Endpoint]:
        """The project's endpoints without their secrets, which are loaded only on demand."""
        return self.keep_world(self.project.endpoints.defer("secret"))

    @extend_schema(responses=EndpointOutput)
    def list(self, request: Request) -> Response:
        """List the project's endpoints, newest first."""
        return self.list_rows(self.get_queryset())

    @extend_schema(responses={201: EndpointWithSecret, **list_problems(services.TooManyEndpointsError)})
    @idempotent
    @holds_secret
    def create(self, request: Request) -> Generator[None, None, Response]:
        """Add an endpoint. The response holds its secret, which is not shown again."""
        values = self.read_body()
        format_ = values.pop("format")
        endpoint = services.build_endpoint(self.project, is_test=self.key.is_test, format_=format_, **values)
        yield
        return self.created(services.store_endpoint(endpoint))

    @extend_schema(responses=EndpointOutput)
    def retrieve(self, request: Request, pk: UUID) -> Response:
        """Get one endpoint."""
        return self.show(self.get_object())

    @extend_schema(responses=EndpointOutput)
    @recorded
    def partial_update(self, request: Request, pk: UUID) -> Generator[None, None, Response]:
        """Change an endpoint, or disable or enable it."""
        endpoint, values = self.get_object(), self.read_body()
        if "status" in values:
            values["status"] = EndpointStatus(values["status"])
        change = services.EndpointChange(**values)
        checked = services.check_change(endpoint, change)
        yield
        return self.show(services.store_change(endpoint, change, checked))

    @extend_schema(responses={204: None})
    @recorded
    def destroy(self, request: Request, pk: UUID) -> Generator[None, None, Response]:
        """Delete an endpoint and its log. Its pending deliveries are not posted."""
        endpoint = self.get_object()
        self.read_body()
        yield
        services.remove_endpoint(endpoint)
        return Response(status=204)

    @extend_schema(operation_id="list_webhook_deliveries", responses=DeliveryOutput)
    @action(
        detail=True,
        methods=["get"],
        filters={"status": by("status"), "type": by("type"), "event_id": by("event_id")},
    )
    def deliveries(self, request: Request, pk: UUID) -> Response:
        """List an endpoint's deliveries, newest first, each with its payload and attempts."""
        found: QuerySet[WebhookDelivery] = self.get_object().deliveries.all()
        return self.list_rows(self.filter_queryset(found))

    @extend_schema(responses={202: DeliveryOutput, **list_problems(services.EndpointDisabledError)})
    @action(detail=True, methods=["post"])
    @idempotent
    def test(self, request: Request, pk: UUID) -> Generator[None, None, Response]:
        """Send a test event of type `webhook.test`. It has one attempt; the delivery log shows the result."""
        endpoint = self.get_object()
        self.read_body()
        yield
        return self.show(services.send_test(endpoint), status=202)

    @extend_schema(responses={200: EndpointWithSecret, **list_problems(services.TooManySecretsError)})
    @action(detail=True, methods=["post"])
    @idempotent
    @holds_secret
    def rotate(self, request: Request, pk: UUID) -> Generator[None, None, Response]:
        """Create a new secret. For 24 hours every post is signed with the old one too."""
        endpoint = self.get_object()
        self.read_body()
        yield
        return self.show(services.rotate_secret(endpoint))

    @extend_schema(responses={202: ReplayOutput, **list_problems(services.EndpointDisabledError)})
    @action(detail=True, methods=["post"])
    @idempotent
    def replay(self, request: Request, pk: UUID) -> Generator[None, None, Response]:
        """Replay one delivery, or all failed deliveries since a time. The `webhook-id` stays the same."""
        endpoint, values = self.get_object(), self.read_body()
        yield
        if "delivery_id" in values:
            count = services.replay_one(endpoint, values["delivery_id"])
        else:
            count = services.replay_selected(endpoint, read_selection(values))
        return Response({"replayed": count}, status=202)


def read_selection(values: dict[str, Any]) -> services.ReplayFilter:
    status = values.get("status", DeliveryStatus.FAILED)
    return services.ReplayFilter(
        since=values["since"],
        until=values.get("until"),
        types=values.get("types"),
        status=None if status == "all" else DeliveryStatus(status),
    )
