"""The webhook delivery log for staff: each attempt with its response, and a button that replays a delivery."""

import json
from collections.abc import Callable, Iterable
from typing import Any, ClassVar
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Prefetch, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.paginator import InfinitePaginator

from accounts.people.scoped_admin import ScopedAdmin, ScopedFilter
from accounts.services import write_audit
from common.errors import ApiError
from webhooks.models import DeliveryStatus, Endpoint, WebhookDelivery
from webhooks.services import replay_one

COLOURS: dict[str, str] = {
    DeliveryStatus.DELIVERED: "success",
    DeliveryStatus.PENDING: "info",
    DeliveryStatus.FAILED: "danger",
}
ENDPOINT = "endpoint__id__exact"


def log_url(endpoint: Endpoint) -> str:
    """The URL of the delivery log, filtered by one endpoint."""
    return f"{reverse('admin:webhooks_webhookdelivery_changelist')}?{urlencode({ENDPOINT: endpoint.pk})}"


def describe_rows(deliveries: Iterable[WebhookDelivery]) -> list[dict[str, Any]]:
    """Rows of the log for a page: the delivery, its colour, a summary of its last response."""
    return [
        {"delivery": row, "colour": COLOURS[row.status], "answer": describe_last_attempt(row)} for row in deliveries
    ]


def describe_last_attempt(delivery: WebhookDelivery) -> str:
    """A summary of the last attempt: status and duration, or the error."""
    if not delivery.attempts:
        return "not posted yet"
    last: dict[str, Any] = delivery.attempts[-1]
    took = "" if last["duration_ms"] is None else f" after {last['duration_ms']} ms"
    return f"{last['status']}{took}" if last["status"] else str(last["error"])


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ScopedAdmin, ModelAdmin):  # type: ignore[misc]
    """The delivery log. It is read-only; a delivery can be replayed."""

    list_display = ("created_at", "type", "state", "answer", "attempt_count", "url")
    list_display_links = ("created_at", "type")
    list_filter = (("endpoint", ScopedFilter), ("status", ChoicesDropdownFilter))
    list_filter_submit = True
    list_per_page = 50
    list_fullwidth = True
    paginator = InfinitePaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    sortable_by = ()
    ordering = ("-id",)
    search_fields = ("event_id",)
    action_permissions: ClassVar = {"replay": "webhooks.change_endpoint"}
    search_help_text = "Event id (the webhook-id header)"

    class Media:
        css: ClassVar = {"all": ["webhooks/admin.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookDelivery]:
        # A prefetch, no join: deliveries have no foreign key constraint, and one without its endpoint is shown too.
        endpoints = Prefetch("endpoint", Endpoint.objects.defer("secret"))
        deliveries: QuerySet[WebhookDelivery] = super().get_queryset(request)
        return deliveries.prefetch_related(endpoints)

    def get_search_results(
        self, _request: HttpRequest, queryset: QuerySet[WebhookDelivery], search_term: str
    ) -> tuple[QuerySet[WebhookDelivery], bool]:
        if not search_term:
            return queryset, False
        try:
            event_id = UUID(search_term.strip())
        except ValueError:
            return queryset.none(), False
        return queryset.filter(**id_range(event_id), event_id=event_id), False

    def has_add_permission(self, _request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        return False

    def has_replay_permission(self, request: HttpRequest, delivery: WebhookDelivery) -> bool:
        """Replaying a delivery needs the permission to change endpoints."""
        return self.is_allowed(request, "replay", delivery)

    @admin.display(description="State")
    def state(self, delivery: WebhookDelivery) -> str:
        return format_html('<span class="hook-state hook-{}">{}</span>', COLOURS[delivery.status], delivery.status)

    @admin.display(description="Response")
    def answer(self, delivery: WebhookDelivery) -> str:
        return describe_last_attempt(delivery)

    @admin.display(description="Endpoint")
    def url(self, delivery: WebhookDelivery) -> str:
        return delivery.endpoint.url[:80]

    def change_view(
        self, request: HttpRequest, object_id: str, _form_url: str = "", _extra_context: Any = None
    ) -> HttpResponseBase:
        """The page of one delivery. It refuses POST, since nothing can be saved."""
        if request.method not in {"GET", "HEAD"} or not self.has_view_permission(request):
            raise PermissionDenied
        delivery = self.find(request, object_id)
        context = {
            **self.admin_site.each_context(request),
            "title": f"{delivery.type}",
            "opts": self.opts,
            "media": self.media,
            "delivery": delivery,
            "colour": COLOURS[delivery.status],
            "answer": describe_last_attempt(delivery),
            "payload": json.dumps(json.loads(delivery.payload), indent=2, ensure_ascii=False),
            "attempts": list(reversed(delivery.attempts)),
            "may_replay": self.has_replay_permission(request, delivery),
        }
        return TemplateResponse(request, "webhooks/delivery.html", context)

    def history_view(self, request: HttpRequest, object_id: str, _extra_context: Any = None) -> HttpResponseBase:
        """Redirect to the delivery's page, which holds the history."""
        found = self.find(request, object_id)
        return HttpResponseRedirect(reverse("admin:webhooks_webhookdelivery_change", args=[found.pk]))

    def find(self, request: HttpRequest, object_id: object) -> WebhookDelivery:
        try:
            found = self.get_queryset(request).filter(pk=UUID(str(object_id))).first()
        except ValueError:
            found = None
        if found is None:
            raise Http404
        return found

    def get_urls(self) -> list[URLPattern]:
        view: Callable[..., HttpResponse] = self.admin_site.admin_view(require_POST(self.replay))
        return [path("<uuid:pk>/replay/", view, name="webhooks_webhookdelivery_replay"), *super().get_urls()]

    def replay(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        delivery = self.find(request, pk)
        if not self.has_replay_permission(request, delivery):
            raise PermissionDenied
        try:
            replay_one(delivery.endpoint, pk)
        except ApiError as error:
            self.message_user(request, error.detail, messages.ERROR)
        else:
            write_audit(request.user.get_username(), "replay_webhook", delivery.endpoint, delivery_id=str(pk))
            self.message_user(request, "The delivery is queued again with the same webhook-id.", messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:webhooks_webhookdelivery_change", args=[pk]))


def id_range(event_id: UUID) -> dict[str, UUID]:
    """Conditions that find an event's deliveries by primary key: only the last 32 bits differ from the event's id."""
    first = event_id.int >> 32 << 32
    return {"pk__gte": UUID(int=first), "pk__lte": UUID(int=first | 0xFFFFFFFF)}
