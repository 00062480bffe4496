"""Resend's domains API. Each view calls the service of `/api/v1` and shows the result."""

from collections.abc import Generator
from typing import ClassVar
from uuid import UUID

from django.db.models import QuerySet
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import scopes
from accounts.idempotent_views import idempotent, idempotent_over_network, recorded
from domains.models import Domain
from domains.serializers import DomainOutput
from domains.services import build_domain, remove_domain, store_domain
from domains.verification import verify_domain
from gateways.resend.domain_forms import DomainPageQuery, DomainPatch, NewDomain, show_domain, show_domain_row
from gateways.resend.paging import TwoWayPagination
from gateways.resend.viewsets import ResendViewSet


class DomainViewSet(ResendViewSet):
    """`/compat/resend/domains`."""

    scopes: ClassVar = {
        "create": scopes.DOMAINS_WRITE,
        "list": scopes.DOMAINS_READ,
        "retrieve": scopes.DOMAINS_READ,
        "partial_update": scopes.DOMAINS_WRITE,
        "verify": scopes.DOMAINS_WRITE,
        "destroy": scopes.DOMAINS_WRITE,
    }
    serializer_class = DomainOutput
    pagination_class = TwoWayPagination
    queries: ClassVar = {"list": DomainPageQuery}
    bodies: ClassVar = {"create": NewDomain, "partial_update": DomainPatch}

    def get_queryset(self) -> QuerySet[Domain]:
        return self.project.domains.prefetch_related("dkim_keys", "record_checks")

    @idempotent
    def create(self, request: Request) -> Generator[None, None, Response]:
        """Add a domain. Its records are to be published next."""
        new = build_domain(self.project, name=self.read_body()["name"])
        yield
        return Response(show_domain(store_domain(new)), status=201)

    def list(self, request: Request) -> Response:
        """Domains, newest first."""
        page = self.paginate_queryset(self.get_queryset())
        return self.show_page([show_domain_row(row) for row in self.get_serializer(page, many=True).data])

    def retrieve(self, request: Request, pk: UUID) -> Response:
        """One domain with its records as of the last check."""
        return Response(show_domain(self.get_object()))

    @recorded
    def partial_update(self, request: Request, pk: UUID) -> Generator[None, None, Response]:
        """Take the settings that hold here in any case; the others are refused by name."""
        domain = self.get_object()
        self.read_body()
        yield
        return Response({"object": "domain", "id": str(domain.pk)})

    @action(detail=True, methods=["post"])
    @idempotent_over_network
    def verify(self, request: Request, pk: UUID) -> Response:
        """Check the records now."""
        domain = self.get_object()
        self.read_body()
        return Response(show_domain(verify_domain(domain)))

    @recorded
    def destroy(self, request: Request, pk: UUID) -> Generator[None, None, Response]:
        """Remove a domain with its keys."""
        domain = self.get_object()
        self.read_body()
        yield
        remove_domain(domain)
        return Response({"object": "domain", "id": str(pk), "deleted": True})
