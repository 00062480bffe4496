"""Mailgun's lists of bounces, unsubscribes and complaints. They are the project's, whatever domain the path names."""

from collections.abc import Generator, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, ClassVar
from urllib.parse import urlencode

from django.conf import settings
from django.db.models import QuerySet
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import scopes
from accounts.idempotent_views import idempotent, recorded
from accounts.streams import StreamTypes
from common.client_ip import client_ip
from common.errors import NotFoundError
from common.parsers import StrictJSONParser
from common.serializers import QueryIntegerField, QuerySerializer, SingleLineField, StrictChoiceField
from gateways.compat.forms import FormParser
from gateways.mailgun.list_forms import KINDS, ListKind, read_items, show_item
from gateways.mailgun.viewsets import MailgunViewSet
from tracking.models import Suppression
from tracking.suppressions.service import Entry, Selection, release_suppressions, suppress_many

MAX_PAGE = 1_000


class NotListedError(NotFoundError):
    """{words}"""


class ListQuery(QuerySerializer):
    """A page: after or before an address, in the order of addresses."""

    limit = QueryIntegerField(min_value=1, max_value=MAX_PAGE, default=100)
    page = StrictChoiceField(choices=["first", "last", "next", "previous"], default="first")
    address = SingleLineField(required=False, max_length=320, allow_blank=True)
    term = SingleLineField(required=False, max_length=320, allow_blank=True)


class FormOrJson(BaseParser):
    """One item as a form, or a list of items as JSON."""

    media_type = "*/*"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        is_json = (media_type or "").partition(";")[0].strip().lower() == "application/json"
        parser: BaseParser = StrictJSONParser() if is_json else FormParser()
        return parser.parse(stream, media_type, parser_context)


def list_items(request: Request) -> Any:
    """The items of the body."""
    data = request.data
    if isinstance(data, list):
        return data
    # A form has a list of values for each field.
    return [{name: value[0] if isinstance(value, list) and len(value) == 1 else value for name, value in data.items()}]


class ListViewSet(MailgunViewSet):
    """`/v3/{domain}/bounces`, `…/unsubscribes` and `…/complaints`."""

    parser_classes = (FormOrJson,)
    kind: ListKind = KINDS["bounces"]
    scopes: ClassVar = {
        "list": scopes.SUPPRESSIONS_READ,
        "retrieve": scopes.SUPPRESSIONS_READ,
        "create": scopes.SUPPRESSIONS_WRITE,
        "destroy": scopes.SUPPRESSIONS_WRITE,
    }
    queries: ClassVar = {"list": ListQuery}

    def get_queryset(self) -> QuerySet[Suppression]:
        return self.project.suppressions.filter(reason=self.kind.reason, is_test=self.key.is_test)

    def list(self, request: Request, domain: str) -> Response:
        """Addresses in their order."""
        query = self.query
        rows, place = self.get_queryset(), query.get("address", "").lower()
        if query.get("term"):
            rows = rows.filter(address__startswith=query["term"].lower())
        is_backward = query["page"] in {"previous", "last"}
        if place and query["page"] in {"next", "previous"}:
            rows = rows.filter(address__lt=place) if is_backward else rows.filter(address__gt=place)
        order = "-address" if is_backward else "address"
        names = sorted(rows.order_by(order).values_list("address", flat=True).distinct()[: query["limit"]])
        found = self.get_queryset().filter(address__in=names).order_by("address", "pk")
        items = [show_item(list(group)) for _, group in groupby(found, key=lambda row: row.address)]
        return Response({"items": items, "paging": self.show_pages(request, names)})

    def show_pages(self, request: Request, names: Sequence[str]) -> dict[str, str]:
        base, limit = f"{settings.PUBLIC_URL}{request.path}", self.query["limit"]
        first, last = (names[0], names[-1]) if names else ("", "")

        def locate(page: str, address: str = "") -> str:
            return f"{base}?{urlencode({'page': page, 'address': address, 'limit': limit})}"

        return {
            "first": locate("first"),
            "next": locate("next", last or self.query.get("address", "")),
            "previous": locate("previous", first or self.query.get("address", "")),
            "last": locate("last"),
        }

    def retrieve(self, request: Request, domain: str, address: str) -> Response:
        """One address."""
        rows = list(self.get_queryset().filter(address=address.lower()).order_by("pk"))
        if not rows:
            raise NotListedError(words=self.kind.missing)
        return Response(show_item(rows))

    @idempotent
    def create(self, request: Request, domain: str) -> Generator[None, None, Response]:
        """Add one address, or up to 1,000, all or none. A repetition is harmless."""
        ip = client_ip(request.META)
        entries = read_items(self.kind, list_items(request), str(ip) if ip else None)
        self.check_streams(entries)
        yield
        suppress_many(self.project.pk, entries, is_test=self.key.is_test)
        if len(entries) == 1:
            return Response({"message": self.kind.added, "address": entries[0].address})
        words = self.kind.added.replace("Address has", f"{len(entries)} addresses have")
        return Response({"message": words})

    def check_streams(self, entries: Iterable[Entry]) -> None:
        """Raises InvalidFieldsError for a tag that is no stream of the project."""
        streams = StreamTypes(self.project.pk)
        for name in {entry.stream for entry in entries if entry.stream}:
            streams.find(name)

    @recorded
    def destroy(self, request: Request, domain: str, address: str) -> Generator[None, None, Response]:
        """Remove the entries of an address, so that mail is sent to it again."""
        yield
        lifted = Selection(reason=self.kind.reason)
        if not release_suppressions(self.project.pk, address.lower(), lifted, is_test=self.key.is_test):
            raise NotListedError(words=self.kind.missing)
        return Response({"message": self.kind.removed, "address": address})
