"""Postmark's suppressions API: the addresses to which a stream sends no mail."""

from collections.abc import Generator
from typing import Any, ClassVar

from django.db.models import Q, QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import scopes
from accounts.idempotent_views import idempotent, recorded
from accounts.models import Stream
from common.addresses import AddressError, parse_address
from common.client_ip import client_ip
from gateways.postmark.stream_views import find_stream
from gateways.postmark.suppression_forms import (
    AddressList,
    SuppressionDumpQuery,
    list_addresses,
    match_dump,
    show_entry,
    show_result,
)
from gateways.postmark.viewsets import PostmarkViewSet
from tracking.models import Suppression, SuppressionReason, SuppressionWay
from tracking.suppressions.service import Entry, release_suppressions, select_entry, suppress_many

# A dump has no pages at Postmark; the rest is at /api/v1/suppressions.
MAX_DUMP = 50_000
# What a request may lift: neither a complaint, as at Postmark, nor a person's opt-out.
LIFTED = (SuppressionReason.BOUNCE, SuppressionReason.MANUAL)
INVALID = "An invalid email address was provided."
KEPT = "The recipient complained or opted out. Only /api/v1/suppressions lifts that."


class SuppressionViewSet(PostmarkViewSet):
    """`/message-streams/{name}/suppressions`. Entries that hold for all streams are those of each."""

    scopes: ClassVar = {
        "dump": scopes.SUPPRESSIONS_READ,
        "create": scopes.SUPPRESSIONS_WRITE,
        "remove": scopes.SUPPRESSIONS_WRITE,
    }
    queries: ClassVar = {"dump": SuppressionDumpQuery}
    bodies: ClassVar = {"create": AddressList, "remove": AddressList}

    def select(self, stream: Stream) -> QuerySet[Suppression]:
        found: QuerySet[Suppression] = self.project.suppressions.filter(
            Q(stream=None) | Q(stream=stream.name), is_test=self.key.is_test
        )
        return found

    def dump(self, request: Request, name: str) -> Response:
        """The newest 50,000 entries."""
        rows = self.select(find_stream(self.project, name)).filter(match_dump(self.query)).order_by("-pk")[:MAX_DUMP]
        return Response({"Suppressions": [show_entry(row) for row in rows]})

    @idempotent
    def create(self, request: Request, name: str) -> Generator[None, None, Response]:
        """Suppress addresses in the stream. A repetition is harmless."""
        stream, ip = find_stream(self.project, name), client_ip(request.META)
        given = [(text, read_address(text)) for text in list_addresses(self.read_body())]
        entries = [
            Entry(
                address=address,
                reason=SuppressionReason.MANUAL,
                stream=stream.name,
                way=SuppressionWay.API,
                ip=str(ip) if ip else None,
            )
            for _, address in given
            if address
        ]
        yield
        suppress_many(self.project.pk, entries, is_test=self.key.is_test)
        return show_results(
            [
                show_result(text, "Suppressed") if address else show_result(text, "Failed", INVALID)
                for text, address in given
            ]
        )

    @recorded
    def remove(self, request: Request, name: str) -> Generator[None, None, Response]:
        """Lift bounces and manual entries of addresses, so that the stream's mail is sent to them again."""
        stream = find_stream(self.project, name)
        given = [(text, read_address(text)) for text in list_addresses(self.read_body())]
        yield
        return show_results([self.lift(stream, text, address) for text, address in given])

    def lift(self, stream: Stream, text: object, address: str | None) -> dict[str, Any]:
        if address is None:
            return show_result(text, "Failed", INVALID)
        rows = list(self.select(stream).filter(address=address.lower()))
        if any(row.reason not in LIFTED for row in rows):
            return show_result(text, "Failed", KEPT)
        for row in rows:
            release_suppressions(self.project.pk, row.address, select_entry(row), is_test=row.is_test)
        return show_result(text, "Deleted")


def show_results(results: list[dict[str, Any]]) -> Response:
    return Response({"Suppressions": results})


def read_address(text: object) -> str | None:
    """The address; None for what is none."""
    try:
        return parse_address(text).address if isinstance(text, str) else None
    except AddressError:
        return None
