"""Webhook endpoints for staff: health, recent deliveries, and actions. A secret is shown once."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin

from accounts.people.scoped_admin import ScopedAdmin, ScopedFilter
from accounts.services import write_audit
from common.errors import ApiError
from webhooks.admin.deliveries import describe_rows, log_url
from webhooks.admin.forms import EndpointForm
from webhooks.endpoint_health import FAILURES
from webhooks.event_types import ALL
from webhooks.models import Endpoint, EndpointStatus
from webhooks.services import (
    EndpointChange,
    ReplayFilter,
    add_endpoint,
    change_endpoint,
    remove_endpoint,
    replay_selected,
    rotate_secret,
    send_test,
)

# The periods that a replay of failed deliveries may cover.
REACHES = {
    "hour": ("the last hour", timedelta(hours=1)),
    "day": ("the last day", timedelta(days=1)),
    "week": ("the last week", timedelta(days=7)),
    "month": ("the last 30 days", timedelta(days=30)),
}
SHOWN = 25


class FailureFilter(admin.SimpleListFilter):
    """Endpoints whose last posts failed, and those that the service stopped for it."""

    title, parameter_name = "state", "state"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name.capitalize()) for name in FAILURES]

    def queryset(self, _request: HttpRequest, queryset: QuerySet[Endpoint]) -> QuerySet[Endpoint]:
        condition = FAILURES.get(self.value() or "")
        return queryset.filter(condition) if condition else queryset


@admin.register(Endpoint)
class EndpointAdmin(ScopedAdmin, ModelAdmin):  # type: ignore[misc]
    """Webhook endpoints."""

    form = EndpointForm
    list_display = ("where", "project", "state", "last_success", "last_failure", "told")
    list_filter = (FailureFilter, ("project", ScopedFilter), "status", "is_test")
    list_select_related = ("project",)
    search_fields = ("url", "description")
    search_help_text = "URL or description"
    show_full_result_count = False
    ordering = ("-id",)
    change_form_outer_before_template = "webhooks/endpoint_acts.html"
    change_form_outer_after_template = "webhooks/endpoint_log.html"
    facts = ("public_key", "state", "disabled_reason", "failing_since", "last_success_at", "last_failure_at")
    times = ("previous_secret_until", "created_at", "updated_at")

    class Media:
        css: ClassVar = {"all": ["webhooks/admin.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Endpoint]:
        endpoints: QuerySet[Endpoint] = super().get_queryset(request)
        return endpoints.defer("secret")

    def get_fields(self, _request: HttpRequest, obj: Endpoint | None = None) -> tuple[str, ...]:
        return (*self.form.Meta.fields, *((*self.facts, *self.times) if obj else ()))

    def get_readonly_fields(self, _request: HttpRequest, obj: Endpoint | None = None) -> tuple[str, ...]:
        return ("project", *self.facts, *self.times) if obj else ()

    @admin.display(description="State")
    def state(self, endpoint: Endpoint) -> str:
        colour, words = describe_state(endpoint)
        return format_html('<span class="hook-state hook-{}">{}</span>', colour, words)

    @admin.display(description="URL")
    def where(self, endpoint: Endpoint) -> str:
        return endpoint.url[:100]

    @admin.display(description="Last success (UTC)")
    def last_success(self, endpoint: Endpoint) -> str:
        return format_moment(endpoint.last_success_at)

    @admin.display(description="Last failure (UTC)")
    def last_failure(self, endpoint: Endpoint) -> str:
        return format_moment(endpoint.last_failure_at)

    @admin.display(description="Events")
    def told(self, endpoint: Endpoint) -> str:
        if endpoint.events == [ALL]:
            return "all events"
        shown = ", ".join(endpoint.events[:2])
        return f"{shown} +{len(endpoint.events) - 2}" if len(endpoint.events) > 2 else shown

    @method_decorator(csrf_protect)
    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Runs outside Django's usual transaction, because saving asks the DNS and waits until other processes know the
        new endpoint.
        """
        response: HttpResponse = self._changeform_view(request, object_id, form_url, extra_context)
        return response

    def save_model(self, request: HttpRequest, obj: Endpoint, form: EndpointForm, change: bool) -> None:
        values = {name: form.cleaned_data[name] for name in ("url", "events", "description")}
        if change:
            change_values = EndpointChange(**values, format=form.cleaned_data["format"])
            changed = change_endpoint(Endpoint.objects.get(pk=obj.pk), change_values)
        else:
            changed = add_endpoint(obj.project, **values, format_=form.cleaned_data["format"])
        obj.__dict__.update(changed.__dict__)
        self.note(request, "change_webhook" if change else "add_webhook", obj)

    def response_add(self, request: HttpRequest, obj: Endpoint, _post_url: str | None = None) -> HttpResponse:
        """The secret in the response itself: a redirect would have to store it in readable form."""
        return self.show_secret(request, obj)

    def show_secret(self, request: HttpRequest, endpoint: Endpoint) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": "Signing secret",
            "opts": self.opts,
            "media": forms.Media(css={"all": ["accounts/admin.css"]}),
            "endpoint": endpoint,
        }
        return TemplateResponse(request, "webhooks/new_secret.html", context)

    def get_deleted_objects(
        self, objs: Any, _request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """The endpoints to delete. Their deliveries are deleted too but not listed, as there may be many."""
        names = [str(endpoint) for endpoint in objs]
        return names, {"webhook endpoints": len(names)}, set(), []

    def delete_model(self, request: HttpRequest, obj: Endpoint) -> None:
        self.note(request, "remove_webhook", obj)
        remove_endpoint(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Endpoint]) -> None:
        for endpoint in queryset.select_related("project"):
            self.delete_model(request, endpoint)

    def note(self, request: HttpRequest, action: str, endpoint: Endpoint, **data: object) -> None:
        data |= {"id": str(endpoint.pk), "project": endpoint.project.name}
        write_audit(request.user.get_username(), action, endpoint, **data)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        endpoint: Endpoint | None = kwargs.get("obj")
        # A new endpoint's secret is shown once, on the page that follows.
        context |= {"show_save_and_add_another": False, "show_save_and_continue": endpoint is not None}
        if endpoint is not None:
            context |= {
                "may_act": self.has_change_permission(request, endpoint),
                "is_enabled": endpoint.status == EndpointStatus.ENABLED,
                "reaches": [(name, words) for name, (words, _) in REACHES.items()],
                "told_rows": describe_rows(endpoint.deliveries.order_by("-id")[:SHOWN]),
                "log_url": log_url(endpoint),
            }
        response: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return response

    def get_urls(self) -> list[URLPattern]:
        acts: dict[str, Callable[[HttpRequest, Endpoint], HttpResponse | None]] = {
            "test": self.test,
            "rotate": self.rotate,
            "enable": partial(self.switch, status=EndpointStatus.ENABLED),
            "disable": partial(self.switch, status=EndpointStatus.DISABLED),
            "replay": self.replay,
        }
        own = [
            path(f"<uuid:pk>/{name}/", self.button(act), name=f"webhooks_endpoint_{name}") for name, act in acts.items()
        ]
        return [*own, *super().get_urls()]

    def button(self, act: Callable[[HttpRequest, Endpoint], HttpResponse | None]) -> Callable[..., HttpResponse]:
        """A view that acts on one endpoint, on POST only."""

        @require_POST
        def press(request: HttpRequest, pk: UUID) -> HttpResponse:
            endpoint = self.get_queryset(request).select_related("project").filter(pk=pk).first()
            if endpoint is None:
                raise Http404
            if not self.has_change_permission(request, endpoint):
                raise PermissionDenied
            try:
                answer = act(request, endpoint)
            except ApiError as error:
                self.message_user(request, error.detail, messages.ERROR)
                answer = None
            return answer or HttpResponseRedirect(reverse("admin:webhooks_endpoint_change", args=[pk]))

        view: Callable[..., HttpResponse] = self.admin_site.admin_view(press)
        return view

    def test(self, request: HttpRequest, endpoint: Endpoint) -> None:
        send_test(endpoint)
        self.note(request, "test_webhook", endpoint)
        self.message_user(request, "A test event is queued. The log below will show the result.", messages.SUCCESS)

    def rotate(self, request: HttpRequest, endpoint: Endpoint) -> HttpResponse:
        rotated = rotate_secret(endpoint)
        self.note(request, "rotate_webhook", rotated)
        return self.show_secret(request, rotated)

    def switch(self, request: HttpRequest, endpoint: Endpoint, *, status: EndpointStatus) -> None:
        change_endpoint(endpoint, EndpointChange(status=status))
        self.note(request, "change_webhook", endpoint, status=status)
        self.message_user(request, f"The endpoint is {status}.", messages.SUCCESS)

    def replay(self, request: HttpRequest, endpoint: Endpoint) -> None:
        _, reach = REACHES.get(request.POST.get("reach", ""), REACHES["day"])
        count = replay_selected(endpoint, ReplayFilter(since=timezone.now() - reach))
        self.note(request, "replay_webhook", endpoint, count=count)
        self.message_user(request, f"{count} failed deliveries are queued again.", messages.SUCCESS)


def format_moment(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}" if at else "-"


def describe_state(endpoint: Endpoint) -> tuple[str, str]:
    """The colour and the name of an endpoint's state."""
    if endpoint.status != EndpointStatus.ENABLED:
        return "danger", "disabled"
    return ("warning", "failing") if endpoint.failing_since else ("success", "enabled")
