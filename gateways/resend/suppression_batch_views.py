"""Resend's suppressions in batches: up to 100 addresses, all in one transaction."""

from collections.abc import Generator
from typing import Any, ClassVar

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import scopes
from accounts.idempotent_views import idempotent
from common.client_ip import client_ip
from common.serializers import AddressField, StrictSerializer, StrictUUIDField, wrong
from gateways.resend.suppression_forms import STOPS_ALL
from gateways.resend.viewsets import ResendViewSet
from tracking.models import Suppression, SuppressionReason, SuppressionWay
from tracking.suppressions.service import Entry, release_suppressions, select_entry, suppress

# https://resend.com/docs/api-reference/suppressions/add-batch-suppressions
MAX_BATCH = 100


class NewSuppressions(StrictSerializer):
    """Addresses to suppress."""

    emails = serializers.ListField(child=AddressField(), min_length=1, max_length=MAX_BATCH)


class RemovedSuppressions(StrictSerializer):
    """Addresses, or ids of entries."""

    emails = serializers.ListField(child=AddressField(), min_length=1, max_length=MAX_BATCH, required=False)
    ids = serializers.ListField(child=StrictUUIDField(), min_length=1, max_length=MAX_BATCH, required=False)

    def find_conflicts(self, values: Any, given: Any) -> dict[str, Any]:
        if len({"emails", "ids"} & set(given)) == 1:
            return {}
        return {"emails": [wrong("Give emails or ids, and not both.", "required")]}


class SuppressionBatchViewSet(ResendViewSet):
    """`/compat/resend/suppressions/batch/…`."""

    scopes: ClassVar = {"add": scopes.SUPPRESSIONS_WRITE, "remove": scopes.SUPPRESSIONS_WRITE}
    bodies: ClassVar = {"add": NewSuppressions, "remove": RemovedSuppressions}

    @idempotent
    def add(self, request: Request) -> Generator[None, None, Response]:
        """Suppress addresses. A repetition is harmless."""
        addresses, ip = [each.address for each in self.read_body()["emails"]], client_ip(request.META)
        yield
        rows = {}
        # In one order, so that two batches do not wait for each other.
        for address in sorted(set(addresses)):
            entry = Entry(
                address=address,
                reason=SuppressionReason.MANUAL,
                way=SuppressionWay.API,
                ip=str(ip) if ip else None,
            )
            rows[address], _ = suppress(self.project.pk, entry, is_test=self.key.is_test)
        return Response({"data": [show(rows[address]) for address in addresses]})

    @idempotent
    def remove(self, request: Request) -> Generator[None, None, Response]:
        """Remove entries, so that mail is sent to the addresses again. Unknown ones are left out of the answer."""
        values = self.read_body()
        yield
        rows = self.project.suppressions.filter(STOPS_ALL, is_test=self.key.is_test).order_by("address", "pk")
        if "ids" in values:
            found = list(rows.filter(pk__in=values["ids"]))
        else:
            found = list(rows.filter(address__in={each.address.lower() for each in values["emails"]}))
        for row in found:
            release_suppressions(self.project.pk, row.address, select_entry(row), is_test=row.is_test)
        return Response({"data": [{**show(row), "deleted": True} for row in found]})


def show(row: Suppression) -> dict[str, Any]:
    return {"object": "suppression", "id": str(row.pk)}
