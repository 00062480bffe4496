"""`/api/v1/domains`."""

from collections.abc import Generator
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.idempotent_views import idempotent, idempotent_over_network, recorded
from accounts.scopes import DOMAINS_READ, DOMAINS_WRITE
from accounts.viewsets import ProjectViewSet
from common.openapi import list_problems
from domains.dkim_keys import Algorithm, build_missing_keys, keep_keys
from domains.domain_names import DomainNameError, canonical_name
from domains.models import Domain
from domains.serializers import DomainChange, DomainInput, DomainOutput, DomainQuery, RotationInput
from domains.services import DomainExistsError, build_domain, change_default_from, remove_domain, store_domain
from domains.verification import verify_domain


class DomainViewSet(ProjectViewSet):
    """The project's sending domains and the DNS records that they need."""

    scopes: ClassVar = {
        "list": DOMAINS_READ,
        "retrieve": DOMAINS_READ,
        "create": DOMAINS_WRITE,
        "partial_update": DOMAINS_WRITE,
        "destroy": DOMAINS_WRITE,
        "verify": DOMAINS_WRITE,
        "rotate": DOMAINS_WRITE,
    }
    serializer_class = DomainOutput
    queries = {"list": DomainQuery}
    bodies = {"create": DomainInput, "partial_update": DomainChange, "rotate": RotationInput}
    filters = {"name": lambda name: Q(name=search_name(name))}

    def get_queryset(self) -> QuerySet[Domain]:
        return self.project.domains.prefetch_related("dkim_keys", "record_checks")

    @extend_schema(responses=DomainOutput)
    def list(self, request: Request) -> Response:
        """List the project's domains, newest first."""
        return self.list_rows(self.filter_queryset(self.get_queryset()))

    @extend_schema(responses=DomainOutput)
    def retrieve(self, request: Request, pk: UUID) -> Response:
        """Get one domain with its records as of the last check."""
        return self.show(self.get_object())

    @extend_schema(responses={201: DomainOutput, **list_problems(DomainExistsError)})
    @idempotent
    def create(self, request: Request) -> Generator[None, None, Response]:
        """Add a domain. Publish the returned records next."""
        values = self.read_body()
        new = build_domain(
            self.project,
            name=values["name"],
            default_from=values.get("default_from") or "",
            algorithms=read_algorithms(values) or (Algorithm.RSA,),
        )
        yield
        return self.created(store_domain(new))

    @extend_schema(responses=DomainOutput)
    @recorded
    def partial_update(self, request: Request, pk: UUID) -> Generator[None, None, Response]:
        """Change the default sender, which is used for emails without `from`."""
        domain, values = self.get_object(), self.read_body()
        yield
        if "default_from" in values:
            change_default_from(domain, values["default_from"] or "")
        return self.show(domain)

    @extend_schema(responses={204: None})
    @recorded
    def destroy(self, request: Request, pk: UUID) -> Generator[None, None, Response]:
        """Delete a domain with its keys. Mail that was accepted from it is still sent."""
        domain = self.get_object()
        self.read_body()
        yield
        remove_domain(domain)
        return Response(status=204)

    @extend_schema(responses=DomainOutput)
    @action(detail=True, methods=["post"])
    @idempotent_over_network
    def verify(self, request: Request, pk: UUID) -> Response:
        """Check all DNS records of the domain now."""
        domain = self.get_object()
        self.read_body()
        return self.show(verify_domain(domain))

    @extend_schema(responses=DomainOutput)
    @action(detail=True, methods=["post"])
    @idempotent
    def rotate(self, request: Request, pk: UUID) -> Generator[None, None, Response]:
        """Create new DKIM keys. They start to sign once a check has found their records."""
        domain, values = self.get_object(), self.read_body()
        made = build_missing_keys(domain, read_algorithms(values))
        yield
        keep_keys(domain, made)
        return self.show(self.get_object())


def search_name(text: str) -> str:
    """A name to search for in canonical form; text that is not a domain name stays unchanged and matches nothing."""
    try:
        return canonical_name(text)
    except DomainNameError:
        return text


def read_algorithms(values: dict[str, Any]) -> list[Algorithm]:
    return [Algorithm(name) for name in values.get("dkim_algorithms") or []]
