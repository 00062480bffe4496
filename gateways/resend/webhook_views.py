"""Resend's webhooks API. Each view calls the service of `/api/v1` and shows the result."""

from collections.abc import Generator
from typing import ClassVar
from uuid import UUID

from django.db.models import QuerySet
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import scopes
from accounts.idempotent_views import holds_secret, idempotent, recorded
from gateways.resend.paging import TwoWayPagination, TwoWayQuery
from gateways.resend.viewsets import ResendViewSet
from gateways.resend.webhook_forms import (
    NewWebhook,
    WebhookPatch,
    read_events,
    show_secret,
    show_webhook,
    show_webhook_row,
)
from webhooks import services
from webhooks.models import Endpoint, EndpointStatus, Format


class WebhookViewSet(ResendViewSet):
    """`/compat/resend/webhooks`: the project's endpoints that get Resend's form."""

    scopes: ClassVar = {
        "create": scopes.WEBHOOKS_WRITE,
        "list": scopes.WEBHOOKS_READ,
        "retrieve": scopes.WEBHOOKS_READ,
        "partial_update": scopes.WEBHOOKS_WRITE,
        "destroy": scopes.WEBHOOKS_WRITE,
        "rotate": scopes.WEBHOOKS_WRITE,
    }
    pagination_class = TwoWayPagination
    queries: ClassVar = {"list": TwoWayQuery}
    bodies: ClassVar = {"create": NewWebhook, "partial_update": WebhookPatch}

    def get_queryset(self) -> QuerySet[Endpoint]:
        return self.keep_world(self.project.endpoints.filter(format=Format.RESEND).defer("secret"))

    @idempotent
    @holds_secret
    def create(self, request: Request) -> Generator[None, None, Response]:
        """Add an endpoint. The response holds its secret, which is not shown again."""
        values = self.read_body()
        endpoint = services.build_endpoint(
            self.project,
            url=values["endpoint"],
            events=read_events(values["events"]),
            format_=Format.RESEND,
            is_test=self.key.is_test,
        )
        yield
        self.touched = services.store_endpoint(endpoint)
        return Response(show_secret(endpoint), status=201)

    def list(self, request: Request) -> Response:
        """Endpoints, newest first."""
        page = self.paginate_queryset(self.get_queryset()) or []
        return self.show_page([show_webhook_row(row) for row in page])

    def retrieve(self, request: Request, pk: UUID) -> Response:
        """One endpoint."""
        return Response(show_webhook(self.get_object()))

    @recorded
    def partial_update(self, request: Request, pk: UUID) -> Generator[None, None, Response]:
        """Change an endpoint, or disable or enable it."""
        endpoint, values = self.get_object(), self.read_body()
        change = services.EndpointChange(
            url=values.get("endpoint"),
            events=read_events(values["events"]) if "events" in values else None,
            status=EndpointStatus(values["status"]) if "status" in values else None,
        )
        checked = services.check_change(endpoint, change)
        yield
        services.store_change(endpoint, change, checked)
        return Response({"object": "webhook", "id": str(pk)})

    @recorded
    def destroy(self, request: Request, pk: UUID) -> Generator[None, None, Response]:
        """Delete an endpoint and its log."""
        endpoint = self.get_object()
        self.read_body()
        yield
        services.remove_endpoint(endpoint)
        return Response({"object": "webhook", "id": str(pk), "deleted": True})

    @action(detail=True, methods=["post"], url_path="signing-secret/rotate")
    @idempotent
    @holds_secret
    def rotate(self, request: Request, pk: UUID) -> Generator[None, None, Response]:
        """Create a new secret. For 24 hours every post is signed with the old one too."""
        endpoint = self.get_object()
        self.read_body()
        yield
        return Response(show_secret(services.rotate_secret(endpoint)))
