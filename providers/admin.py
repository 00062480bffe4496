"""Providers for staff. Credentials can be entered here and are never shown."""

from collections.abc import Collection
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, reverse
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import csrf_protect
from unfold.admin import ModelAdmin
from unfold.decorators import display

from accounts.people.scoped_admin import ScopedAdmin, ScopedFilter
from common.errors import InvalidFieldsError
from providers import admin_buttons as buttons
from providers.admin_buttons import Act, build_urls, list_buttons, may_act, write_provider_audit
from providers.admin_form import (
    COLUMNS,
    FORM_KINDS,
    SETTING,
    FormKind,
    ProviderForm,
    build_form,
    find_form_kind,
)
from providers.bounce_mailboxes import KINDS, MailboxInput, complete_parts, find_mailbox, read_mailbox
from providers.configuration.stored import find_settings
from providers.mailbox_fields import NAMES, is_new, is_removed, read_parts
from providers.models import Provider, ProviderKind
from providers.routing.health import TROUBLES, describe_health
from providers.serializers import build_events_url
from providers.services import (
    SHARED_NAME,
    UNCHANGED,
    add_provider,
    change_provider,
    remove_provider,
    show_settings,
)

# The value of the filter for a bounce mailbox that cannot be read.
MAILBOX = "mailbox"
COLOURS = {"ok": "success", "paused": "warning", "failing": "danger", "unreadable": "danger", "disabled": "info"}


# The groups of the form.
OF_SETTINGS, OF_MAILBOX, OF_LIMITS, OF_STATE = "Settings", "Bounce mailbox", "Share and limits", "State"
TITLES = (None, OF_SETTINGS, OF_MAILBOX, OF_LIMITS, OF_STATE)
LIMITS = ("priority", "weight", "rate_limit", "connection_limit")


def find_title(name: str, facts: Collection[str]) -> str | None:
    """The group of a field."""
    if name.startswith(SETTING):
        return OF_SETTINGS
    if name in NAMES:
        return OF_MAILBOX
    if name in facts:
        return OF_STATE
    return OF_LIMITS if name in LIMITS else None


class TroubleFilter(admin.SimpleListFilter):
    """Enabled providers by what keeps them from taking mail, or from telling of bounces."""

    title, parameter_name = "state", "state"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        return [*((name, name.capitalize()) for name in TROUBLES), (MAILBOX, "Bounce mailbox cannot be read")]

    def queryset(self, _request: HttpRequest, queryset: QuerySet[Provider]) -> QuerySet[Provider]:
        if self.value() == MAILBOX:
            return queryset.filter(bounce_mailbox__isnull=False, is_enabled=True).exclude(bounce_mailbox__failure="")
        if condition := TROUBLES.get(self.value() or ""):
            return queryset.filter(condition(), is_enabled=True)
        return queryset


@admin.register(Provider)
class ProviderAdmin(ScopedAdmin, ModelAdmin):  # type: ignore[misc]
    """Providers."""

    form = ProviderForm
    list_display = ("name", "project", "kind_title", "leads_to", "priority", "weight", "health")
    # They are in the order in which mail takes them; numbers of sorted columns would explain nothing.
    sortable_by = ()
    list_filter = (TroubleFilter, ("project", ScopedFilter), "kind", "is_enabled")
    list_select_related = ("project",)
    ordering = ("project", "priority", "name")
    actions = ("ask", "pause", "resume")
    change_form_outer_before_template = "providers/provider_acts.html"
    facts = ("kind_title", "leads_to", "present_health", "bounces_come_to", "created_at", "updated_at")

    class Media:
        js = ("providers/health.js",)
        css: ClassVar = {"all": ["providers/health.css"]}

    def get_fields(self, request: HttpRequest, obj: Provider | None = None) -> tuple[str, ...]:
        is_written = obj is None or self.has_change_permission(request, obj)
        form_kind = read_form_kind(request, obj)
        settings = tuple(SETTING + name for name in form_kind.names)
        written = (*settings, *(NAMES if form_kind.kind in KINDS else ())) if is_written else ()
        return (*self.form.Meta.fields, *written, *self.list_facts(request, obj))

    def get_fieldsets(self, request: HttpRequest, obj: Provider | None = None) -> Any:
        """The fields in groups, those that stand alone first; without empty groups."""
        groups: dict[str | None, list[str]] = {title: [] for title in TITLES}
        for name in self.get_fields(request, obj):
            groups[find_title(name, self.list_facts(request, obj))].append(name)
        return [(title, {"fields": names}) for title, names in groups.items() if names]

    def get_readonly_fields(self, request: HttpRequest, obj: Provider | None = None) -> tuple[str, ...]:
        return ("project", *self.list_facts(request, obj)) if obj else ()

    def list_facts(self, request: HttpRequest, obj: Provider | None) -> tuple[str, ...]:
        """The read-only fields. The event URL is a secret, shown only with permission to change the provider."""
        if obj is None:
            return ()
        if obj.kind != ProviderKind.ESP:
            return self.facts
        is_told = may_act(request, obj)
        return (*self.facts, "unknown_events", *(("events_go_to",) if is_told else ()))

    @admin.display(description="Event URL")
    def events_go_to(self, provider: Provider) -> str:
        """The URL to enter at the ESP for its event webhooks."""
        return build_events_url(provider)

    @admin.display(description="Events of unknown types")
    def unknown_events(self, provider: Provider) -> str:
        """The types that the ESP's module does not know, with their numbers. The most recent type comes first."""
        rows = provider.unknown_events.order_by("-last_at", "name")
        return ", ".join(f"{row.name} ×{row.count} (last {row.last_at:%Y-%m-%d %H:%M} UTC)" for row in rows) or "-"

    @admin.display(description="Kind", ordering="kind")
    def kind_title(self, provider: Provider) -> str:
        """`SMTP relay`, `Postmark`."""
        form_kind = find_form_kind("", provider)
        return form_kind.title if form_kind else provider.kind

    @admin.display(description="Settings")
    def leads_to(self, provider: Provider) -> str:
        """The settings without credentials."""
        if find_settings(provider) is None:
            return "The stored settings cannot be read."
        shown = show_settings(provider)
        return ", ".join(f"{name} {value}" for name, value in shown.items()) or "-"

    @display(description="Health", label=COLOURS)  # type: ignore[untyped-decorator]
    def health(self, provider: Provider) -> tuple[str, str]:
        found = describe_health(provider)
        until = f" until {found.until:%H:%M:%S} UTC" if found.until else ""
        return found.status, f"{found.status}{until}{': ' if found.reason else ''}{found.reason}"

    @admin.display(description="Health")
    def present_health(self, provider: Provider) -> str:
        """The same on the page, where unfold shows no labels."""
        _, words = self.health(provider)
        return str(words)

    def has_change_permission(self, request: HttpRequest, obj: Provider | None = None) -> bool:
        return bool(super().has_change_permission(request, obj)) and not is_from_environment(obj)

    def has_delete_permission(self, request: HttpRequest, obj: Provider | None = None) -> bool:
        return bool(super().has_delete_permission(request, obj)) and not is_from_environment(obj)

    @admin.display(description="Present bounce mailbox")
    def bounces_come_to(self, provider: Provider) -> str:
        """The mailbox without its login, and its state."""
        mailbox = find_mailbox(provider)
        if mailbox is None:
            return "-"
        read = f"last read {mailbox.fetched_at:%Y-%m-%d %H:%M} UTC" if mailbox.fetched_at else "not read yet"
        return f"{mailbox}: {mailbox.failure or read}"

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """The form of the kind that the URL names; without one the choice among the kinds."""
        if find_form_kind(request.GET.get("kind", ""), None) is None and self.has_add_permission(request):
            context = {**self.admin_site.each_context(request), "title": "Add provider", "kinds": FORM_KINDS}
            return TemplateResponse(request, "providers/choose_kind.html", context)
        response: HttpResponse = super().add_view(request, form_url, extra_context)
        return response

    @method_decorator(csrf_protect)
    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Runs outside Django's usual transaction, which must not wait for the network: a new bounce mailbox is opened,
        and the DNS is asked for the host of one project's provider.
        """
        is_posted = request.method == "POST" and may_act(request)
        vars(request)["mailbox"] = self._open_mailbox(request, object_id) if is_posted else None
        response: HttpResponse = self._changeform_view(request, object_id, form_url, extra_context)
        return response

    def _open_mailbox(self, request: HttpRequest, object_id: str | None) -> MailboxInput | InvalidFieldsError | None:
        provider = self.get_queryset(request).filter(pk=object_id).first() if object_id else None
        parts = read_parts(request.POST)
        if not is_new(parts, provider):
            return None
        complete = complete_parts(parts, find_mailbox(provider) if provider else None)
        kind = read_form_kind(request, provider).kind
        try:
            return read_mailbox(complete, kind=kind, is_operated=self.is_operated(request))
        except InvalidFieldsError as error:
            return error

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        kwargs["form"] = build_form(read_form_kind(request, obj))
        form = super().get_form(request, obj, change, **kwargs)
        form.mailbox = getattr(request, "mailbox", None)
        form.is_operated = self.is_operated(request)
        return form

    def is_operated(self, request: HttpRequest) -> bool:
        """Whether providers made by this user may be in any network: people of one project are like API keys."""
        return self.find_written(request).is_everywhere

    def save_model(self, request: HttpRequest, obj: Provider, form: ProviderForm, change: bool) -> None:
        target = form.target if form.has_new_settings or not change else None
        values = {name: getattr(obj, name) for name in COLUMNS}
        mailbox = form.mailbox if isinstance(form.mailbox, MailboxInput) else None
        if change:
            given = mailbox if mailbox or is_removed(form.data, obj) else UNCHANGED
            change_provider(obj, target=target, is_operated=form.is_operated, mailbox=given, name=obj.name, **values)
        else:
            assert target is not None
            operated = form.is_operated
            added = add_provider(
                obj.project, name=obj.name, target=target, is_operated=operated, mailbox=mailbox, **values
            )
            obj.__dict__.update(added.__dict__)
        write_provider_audit(request, "change_provider" if change else "add_provider", obj)

    def delete_model(self, request: HttpRequest, obj: Provider) -> None:
        write_provider_audit(request, "delete_provider", obj)
        remove_provider(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Provider]) -> None:
        for provider in queryset:
            if not is_from_environment(provider):
                self.delete_model(request, provider)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        if provider := kwargs.get("obj"):
            context |= {
                "may_act": may_act(request, provider),
                "acts": list_buttons(provider),
                # Without a trouble the answer of the provider says enough.
                "trouble": "" if (words := self.present_health(provider)) == "ok" else words,
                "health_url": reverse("admin:providers_provider_health", args=[provider.pk]),
            }
        response: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return response

    def get_urls(self) -> list[URLPattern]:
        return [*build_urls(self), *super().get_urls()]

    @admin.action(description="Test now", permissions=["change"])
    def ask(self, request: HttpRequest, queryset: QuerySet[Provider]) -> None:
        """Test the connection and the credentials of each provider."""
        self._act(request, queryset, buttons.test)

    @admin.action(description="Pause", permissions=["change"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Provider]) -> None:
        """Pause each provider until a person resumes it; its mail waits or uses other providers."""
        self._act(request, queryset, buttons.pause)

    @admin.action(description="Resume", permissions=["change"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Provider]) -> None:
        """Resume each provider."""
        self._act(request, queryset, buttons.resume)

    def _act(self, request: HttpRequest, queryset: QuerySet[Provider], act: Act) -> None:
        for provider in queryset:
            level, text = act(request, provider)
            self.message_user(request, f"{provider.name}: {text}", level)


def read_form_kind(request: HttpRequest, provider: Provider | None) -> FormKind:
    """The form of a present provider, or of the kind that the URL names; a new one without a kind is not asked for."""
    return find_form_kind(request.GET.get("kind", ""), provider) or FORM_KINDS[0]


def is_from_environment(provider: Provider | None) -> bool:
    """Whether PROVIDER_URL configures this provider: the next start would undo a change made here."""
    return provider is not None and provider.project_id is None and provider.name == SHARED_NAME
