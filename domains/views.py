"""`/api/v1/domains`."""

from typing import ClassVar
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from accounts.models import Project
from accounts.scopes import DOMAINS_READ, DOMAINS_WRITE
from common.errors import NotFoundError
from common.openapi import list_problems
from domains.dkim_keys import Algorithm, rotate_dkim
from domains.domain_names import DomainNameError, canonical_name
from domains.models import Domain
from domains.serializers import (
    DomainChange,
    DomainInput,
    DomainOutput,
    DomainPage,
    DomainQuery,
    RotationInput,
)
from domains.services import DomainExistsError, add_domain, change_default_from, remove_domain
from domains.verification import verify_domain


class DomainViewSet(ViewSet):
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

    @extend_schema(parameters=[DomainQuery], responses=DomainPage)
    def list(self, request: Request) -> Response:
        """The project's domains, the newest first."""
        query = DomainQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        limit, offset = query.validated_data["limit"], query.validated_data["offset"]
        found = project_of(request).domains.order_by("-id").prefetch_related("dkim_keys", "record_checks")
        if "name" in query.validated_data:
            found = found.filter(name=search_name(query.validated_data["name"]))
        rows = list(found[offset : offset + limit + 1])
        return Response(
            {
                "data": [DomainOutput(row).data for row in rows[:limit]],
                "has_more": len(rows) > limit,
                "limit": limit,
                "offset": offset,
            }
        )

    @extend_schema(responses=DomainOutput)
    def retrieve(self, request: Request, pk: UUID) -> Response:
        """One domain, its records as they were last found."""
        return show(find_domain(request, pk))

    @extend_schema(request=DomainInput, responses={201: DomainOutput, **list_problems(DomainExistsError)})
    def create(self, request: Request) -> Response:
        """Add a domain; its records are to be published next."""
        body = DomainInput(data=request.data)
        body.is_valid(raise_exception=True)
        domain = add_domain(
            project_of(request),
            name=body.validated_data["name"],
            default_from=body.validated_data.get("default_from") or "",
            algorithms=read_algorithms(body.validated_data) or (Algorithm.RSA,),
        )
        response = show(domain, status=201)
        response["Location"] = request.build_absolute_uri(f"{request.path.rstrip('/')}/{domain.pk}")
        return response

    @extend_schema(request=DomainChange, responses=DomainOutput)
    def partial_update(self, request: Request, pk: UUID) -> Response:
        """Change the sender of mail that names none."""
        domain = find_domain(request, pk)
        body = DomainChange(data=request.data)
        body.is_valid(raise_exception=True)
        if "default_from" in body.validated_data:
            change_default_from(domain, body.validated_data["default_from"] or "")
        return show(domain)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: UUID) -> Response:
        """Remove a domain with its keys. Mail accepted from it still goes out."""
        remove_domain(find_domain(request, pk))
        return Response(status=204)

    @extend_schema(request=None, responses=DomainOutput)
    @action(detail=True, methods=["post"])
    def verify(self, request: Request, pk: UUID) -> Response:
        """Ask the DNS for all records now."""
        return show(verify_domain(find_domain(request, pk)))

    @extend_schema(request=RotationInput, responses=DomainOutput)
    @action(detail=True, methods=["post"])
    def rotate(self, request: Request, pk: UUID) -> Response:
        """Make new DKIM keys, which take over once their records are seen."""
        domain = find_domain(request, pk)
        body = RotationInput(data=request.data)
        body.is_valid(raise_exception=True)
        rotate_dkim(domain, read_algorithms(body.validated_data))
        return show(domain)


def project_of(request: Request) -> Project:
    project: Project = request.user.project  # type: ignore[union-attr]
    return project


def find_domain(request: Request, pk: UUID) -> Domain:
    domain = project_of(request).domains.filter(pk=pk).first()
    if domain is None:
        raise NotFoundError
    return domain


def show(domain: Domain, status: int = 200) -> Response:
    return Response(DomainOutput(domain).data, status=status)


def search_name(text: str) -> str:
    """A name to look for: canonical where it is a domain's, and else as it is, which finds nothing."""
    try:
        return canonical_name(text)
    except DomainNameError:
        return text


def read_algorithms(values: dict[str, list[str] | None]) -> list[Algorithm]:
    return [Algorithm(name) for name in values.get("dkim_algorithms") or []]
