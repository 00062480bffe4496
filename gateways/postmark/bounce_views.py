"""Postmark's bounce API: our bounces and complaints, read from the event log."""

from collections import Counter
from collections.abc import Generator, Sequence
from typing import Any, ClassVar

from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Lower
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import scopes
from accounts.idempotent_views import recorded
from common.ids import parse_id
from gateways.postmark.bounce_forms import BounceQuery, show_bounce
from gateways.postmark.queries import MAX_DEPTH, cut_page
from gateways.postmark.viewsets import PostmarkViewSet
from messages.models import Message
from tracking.models import BOUNCES, Event, EventType, Suppression, SuppressionReason
from tracking.suppressions.service import Selection, release_suppressions
from webhooks.formats.bounce_types import BY_NAME, BY_REASON, COMPLAINT, SOFT, UNKNOWN, find_type

# What `activate` lifts: an address that complained stays suppressed, at Postmark too.
LIFTED = SuppressionReason.BOUNCE
STOPS = (SuppressionReason.BOUNCE, SuppressionReason.COMPLAINT)


class BounceViewSet(PostmarkViewSet):
    """`/bounces` and `/deliverystats`. A bounce's id is its number in the event log."""

    scopes: ClassVar = {
        "list": scopes.EMAILS_READ,
        "retrieve": scopes.EMAILS_READ,
        "dump": scopes.EMAILS_READ,
        "statistics": scopes.EMAILS_READ,
        "activate": scopes.SUPPRESSIONS_WRITE,
    }
    queries: ClassVar = {"list": BounceQuery}

    def get_queryset(self) -> QuerySet[Event]:
        """The project's bounces and complaints, the newest first."""
        suppressed = Suppression.objects.filter(
            project=self.project,
            reason__in=STOPS,
            stream=None,
            address=Lower(OuterRef("address")),
            is_test=self.key.is_test,
        )
        rows = Event.objects.filter(project_id=self.project.pk, type__in=BOUNCES, is_test=self.key.is_test)
        return rows.annotate(is_inactive=Exists(suppressed)).order_by("-serial")

    def show_rows(self, rows: Sequence[Any]) -> list[dict[str, Any]]:
        messages = self.project.messages.in_bulk({row.message_id for row in rows})
        return [show_bounce(row, messages.get(row.message_id), is_inactive=row.is_inactive) for row in rows]

    def list(self, request: Request) -> Response:
        """Bounces, newest first; `TotalCount` counts up to 10,000."""
        rows = narrow(self.get_queryset(), self.project.messages.all(), self.query)
        page, total = cut_page(rows, self.query)
        return Response({"TotalCount": total, "Bounces": self.show_rows(page)})

    def find(self, pk: int) -> Any:
        return get_object_or_404(self.get_queryset(), serial=pk)

    def retrieve(self, request: Request, pk: int) -> Response:
        """One bounce."""
        return Response(self.show_rows([self.find(pk)])[0])

    def dump(self, request: Request, pk: int) -> Response:
        """Empty: reports are judged when they come, and not kept."""
        self.find(pk)
        return Response({"Body": ""})

    @recorded
    def activate(self, request: Request, pk: int) -> Generator[None, None, Response]:
        """Lift the suppression that a bounce made, so that mail is sent to the address again."""
        self.read_body()
        yield
        found = self.find(pk)
        if found.type == EventType.BOUNCED:
            lifted = Selection(reason=LIFTED, is_for_all=True)
            release_suppressions(self.project.pk, found.address, lifted, is_test=self.key.is_test)
        return Response({"Message": "OK", "Bounce": self.show_rows([self.find(pk)])[0]})

    def statistics(self, request: Request) -> Response:
        """The numbers of bounces by type, of the newest 10,000."""
        newest = self.get_queryset().values_list("type", "data__reason")[:MAX_DEPTH]
        counts = Counter(find_type(type_, reason) for type_, reason in newest)
        inactive = self.project.suppressions.filter(reason__in=STOPS, stream=None, is_test=self.key.is_test).count()
        shown = [{"Name": kind.title, "Type": kind.name, "Count": count} for kind, count in counts.most_common()]
        total = {"Name": "All", "Count": sum(counts.values())}
        return Response({"InactiveMails": inactive, "Bounces": [total, *shown]})


def narrow(rows: QuerySet[Any], messages: QuerySet[Message], query: dict[str, Any]) -> QuerySet[Any]:
    """The bounces that match the query."""
    if "type" in query:
        rows = of_type(rows, query["type"])
    if "inactive" in query:
        rows = rows.filter(is_inactive=query["inactive"] == "true")
    if "emailFilter" in query:
        rows = rows.filter(address__icontains=query["emailFilter"])
    if "messageID" in query:
        pk = parse_id(query["messageID"])
        rows = rows.filter(message_id=pk) if pk else rows.none()
    if "fromdate" in query:
        rows = rows.filter(occurred_at__gte=query["fromdate"])
    if "todate" in query:
        rows = rows.filter(occurred_at__lte=query["todate"])
    wanted = {"tags__contains": [query["tag"]]} if "tag" in query else {}
    wanted |= {"stream": query["messagestream"]} if "messagestream" in query else {}
    if wanted:
        rows = rows.filter(Exists(messages.filter(pk=OuterRef("message_id"), **wanted)))
    return rows


def of_type(rows: QuerySet[Any], name: str) -> QuerySet[Any]:
    """The bounces of one of Postmark's types."""
    kind = BY_NAME[name]
    if kind is COMPLAINT:
        return rows.filter(type=EventType.COMPLAINED)
    rows = rows.filter(type=EventType.BOUNCED)
    if kind is SOFT:
        return rows.filter(data__has_key="reason").exclude(data__reason__in=list(BY_REASON))
    named = [reason for reason, other in BY_REASON.items() if other is kind]
    known = rows.filter(data__reason__in=named)
    return known | rows.exclude(data__has_key="reason") if kind is UNKNOWN else known
