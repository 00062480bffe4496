"""`/api/v1/suppressions`."""

from collections.abc import Generator
from dataclasses import asdict
from io import BytesIO
from typing import Any, ClassVar

from django.db.models import Q, QuerySet, Value
from django.db.models.functions import StrIndex
from django.db.models.lookups import GreaterThan
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.idempotent_views import idempotent, recorded
from accounts.permissions import refuse_test_key
from accounts.scopes import SUPPRESSIONS_READ, SUPPRESSIONS_WRITE
from accounts.streams import check_stream
from accounts.viewsets import ProjectViewSet, locate
from common.addresses import AddressError, parse_address
from common.client_ip import client_ip
from common.errors import MAX_ERRORS, FieldError, NotFoundError
from common.openapi import list_problems
from common.pagination import KeysetPagination
from tracking.models import Suppression, SuppressionWay
from tracking.suppressions.csv_files import ImportPlan, ImportRefusedError, import_suppressions
from tracking.suppressions.erased import list_stored_forms
from tracking.suppressions.rows import BadLine
from tracking.suppressions.serializers import (
    ImportInput,
    ImportOutput,
    SelectionQuery,
    SuppressionInput,
    SuppressionOutput,
    SuppressionQuery,
    read_selection,
)
from tracking.suppressions.service import Entry, release_suppressions, sort_by_strength, suppress
from tracking.suppressions.text_lines import InvalidArchiveError, read_lines

# pg_trgm looks up three characters at a time.
TRIGRAM = 3


class SuppressionPagination(KeysetPagination):
    """Entries, newest first; those of one address, which has at most a few for each stream, the strongest first."""

    def narrow(self, rows: QuerySet[Any], query: Any) -> QuerySet[Any]:
        return rows if "address" in query else super().narrow(rows, query)

    def read(self, rows: QuerySet[Any], count: int) -> list[Any]:
        if "address" not in self.query:
            return super().read(rows, count)
        ordered = sort_by_strength(rows)
        places = {row.pk: place for place, row in enumerate(ordered, start=1)}
        start = places.get(self.query["after"], 0) if "after" in self.query else 0
        return ordered[start : start + count]


def has_address_part(text: str) -> Q:
    """Matches entries whose address contains `text`; case is ignored."""
    lowered = text.lower()
    if len(lowered) >= TRIGRAM:
        return Q(address__contains=lowered)
    # The trigram index would be read as a whole; a scan from the newest rows is faster.
    return Q(GreaterThan(StrIndex("address", Value(lowered)), 0))


class SuppressionViewSet(ProjectViewSet):
    """The project's suppressions. The URL of an entry contains its address, percent-encoded."""

    lookup_field = "address"
    # A local part may contain a slash.
    lookup_value_converter = "path"
    scopes: ClassVar = {
        "list": SUPPRESSIONS_READ,
        "retrieve": SUPPRESSIONS_READ,
        "create": SUPPRESSIONS_WRITE,
        "destroy": SUPPRESSIONS_WRITE,
        "import_file": SUPPRESSIONS_WRITE,
    }
    pagination_class = SuppressionPagination
    serializer_class = SuppressionOutput
    queries = {"list": SuppressionQuery, "destroy": SelectionQuery}
    bodies = {"create": SuppressionInput, "import_file": ImportInput}
    filters = {
        "q": has_address_part,
    }

    def get_queryset(self) -> QuerySet[Suppression]:
        if "test" in self.query:
            return self.keep_world(self.project.suppressions.all())
        # An address names entries of both: without a word the key's own are meant.
        return self.project.suppressions.filter(is_test=self.key.is_test)

    def get_object(self) -> Suppression:
        forms = list_stored_forms(self.project.pk, normalise(self.kwargs["address"]))
        found = sort_by_strength(self.get_queryset().filter(address__in=forms))
        if not found:
            raise NotFoundError
        return found[0]

    @extend_schema(responses=SuppressionOutput)
    def list(self, request: Request) -> Response:
        """The list, the newest first. `?address=` lists the entries of one address, the strongest first."""
        selected = self.get_queryset().filter(read_selection(self.query).condition())
        if "address" in self.query:
            forms = list_stored_forms(self.project.pk, self.query["address"].address)
            selected = selected.filter(address__in=forms)
        return self.list_rows(self.filter_queryset(selected))

    @extend_schema(responses={200: SuppressionOutput, 201: SuppressionOutput})
    @idempotent
    def create(self, request: Request) -> Generator[None, None, Response]:
        """Suppress an address: 201, or 200 if it has an entry of this reason and stream. No entry replaces another."""
        values = self.read_body()
        if values["stream"] is not None:
            check_stream(self.project.pk, values["stream"])
        ip = client_ip(request.META)
        entry = Entry(
            address=values["address"].address,
            reason=values["reason"],
            stream=values["stream"],
            note=values["note"],
            way=SuppressionWay.API,
            ip=str(ip) if ip else None,
        )
        yield
        row, is_new = suppress(self.project.pk, entry, is_test=self.key.is_test)
        if not is_new:
            return self.show(row)
        response = self.show(row, status=201)
        response["Location"] = locate("suppression-detail", row.address)
        return response

    @extend_schema(
        operation_id="import_suppressions",
        responses={200: ImportOutput, **list_problems(ImportRefusedError, InvalidArchiveError)},
    )
    @action(detail=False, methods=["post"], url_path="import", url_name="import")
    @idempotent
    def import_file(self, request: Request) -> Generator[None, None, Response]:
        """Add the addresses of a file: our own CSV, or one that another service exports. Names each line not taken."""
        refuse_test_key(request)
        values = self.read_body()
        if "stream" in values:
            check_stream(self.project.pk, values["stream"])
        plan = ImportPlan(reason=values.get("reason"), stream=values.get("stream"), is_strict=values["strict"])
        yield
        bad: list[BadLine] = []
        lines = read_lines(BytesIO(values["content_b64"]))
        try:
            result = import_suppressions(self.project.pk, lines, plan, bad.append)
        except ImportRefusedError as error:
            error.errors = [
                FieldError("content_b64", each.code, f"Line {each.line}: {each.message}")
                for each in bad[:MAX_ERRORS]
                if not each.is_taken
            ]
            raise
        return Response(ImportOutput({**asdict(result), "lines": bad[:MAX_ERRORS]}).data)

    @extend_schema(responses=SuppressionOutput)
    def retrieve(self, request: Request, address: str) -> Response:
        """The strongest entry of one address; 404 if it is not on the list."""
        return self.show(self.get_object())

    @extend_schema(responses={204: None})
    @recorded
    def destroy(self, request: Request, address: str) -> Generator[None, None, Response]:
        """Remove the entries of an address, all or those of a reason and a stream, so that mail is sent to it again."""
        self.read_body()
        selection = read_selection(self.query)
        yield
        if not release_suppressions(self.project.pk, normalise(address), selection, is_test=self.key.is_test):
            raise NotFoundError
        return Response(status=204)


def normalise(text: str) -> str:
    """Convert an address to its stored form. Raises NotFoundError for invalid syntax, since no entry can match it."""
    try:
        return parse_address(text.rstrip("/")).address.lower()
    except AddressError:
        raise NotFoundError from None
