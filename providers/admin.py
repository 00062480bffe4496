"""Providers for staff. Credentials can be entered here and are never shown."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import RelatedDropdownFilter
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextInputWidget

from common.errors import InvalidFieldsError
from providers import admin_buttons as buttons
from providers.admin_buttons import Act, build_urls, list_buttons, may_act, write_provider_audit
from providers.bounce_mailboxes import MailboxInput, find_mailbox, read_mailbox
from providers.configuration.model import ProviderSettingsError
from providers.configuration.stored import find_settings
from providers.models import Provider, ProviderKind
from providers.provider_url import split_provider_url
from providers.routing.health import describe_health
from providers.serializers import build_events_url
from providers.services import (
    SHARED_NAME,
    UNCHANGED,
    ProviderExistsError,
    add_provider,
    change_provider,
    remove_provider,
    show_settings,
)
from providers.targets import ProviderTarget, read_target

EXAMPLES = "smtp://user:password@host:587, smtps://…, mx:, esp://postmark?server_token=…, inbox://… or simulator:"
COLOURS = {"ok": "success", "paused": "warning", "failing": "danger", "unreadable": "danger", "disabled": "info"}
# What a person writes to remove the mailbox.
NO_MAILBOX = "-"
COLUMNS = ("priority", "weight", "rate_limit", "connection_limit", "is_enabled")


class SecretInput(UnfoldAdminTextInputWidget):  # type: ignore[misc]
    """A text that is never shown again, not even after an error: it holds a password."""

    def format_value(self, _value: object) -> None:
        return None


class ProviderForm(forms.ModelForm):  # type: ignore[type-arg]
    """The form of a provider. It checks the URL as PROVIDER_URL is checked; an empty URL keeps the present one."""

    new_url = forms.CharField(
        label="URL",
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )

    new_bounce_mailbox = forms.CharField(
        label="Bounce mailbox",
        required=False,
        widget=SecretInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text="imaps://user:password@host:993/folder or pop3s://…, with ?keep=yes to keep the reports there. Leave "
        "empty to keep the present one; a single hyphen removes it.",
    )
    # The opened mailbox, or why it cannot be used: found before the admin's transaction began.
    mailbox: MailboxInput | InvalidFieldsError | None = None

    class Meta:
        model = Provider
        fields: ClassVar = ["project", "name", *COLUMNS]
        widgets: ClassVar = {"name": UnfoldAdminTextInputWidget}
        help_texts: ClassVar = {
            "project": "Empty: shared by all projects that have no provider of their own.",
            "priority": "The lowest value is used first.",
            "weight": "Share of the mail among providers of the same priority.",
            "rate_limit": "Messages per second for all workers together. Empty for no limit.",
            "connection_limit": "Concurrent connections for all workers together. Empty for no limit.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in {"project", "rate_limit", "connection_limit"} & self.fields.keys():
            self.fields[name].required = False
        is_new = self.instance._state.adding
        self.fields["new_url"].required = is_new
        self.fields["new_url"].help_text = EXAMPLES if is_new else f"Leave empty to keep the present URL. {EXAMPLES}"

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"].strip()
        if not name.isprintable() or len(name) > 100:
            raise forms.ValidationError("Use at most 100 printable characters.")
        return name

    def clean(self) -> dict[str, Any]:
        """Apply the checks of the services."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        for name in ("weight", "rate_limit", "connection_limit"):
            if (values.get(name) or 1) <= 0:
                self.add_error(name, "Must be above 0.")
        if url := values.get("new_url"):
            try:
                read_target(ProviderTarget(url=url), is_operated=True)
            except InvalidFieldsError as error:
                self.add_error("new_url", error.detail.removeprefix("url: "))
        if isinstance(self.mailbox, InvalidFieldsError):
            self.add_error("new_bounce_mailbox", self.mailbox.detail.removeprefix("bounce_mailbox: "))
        twins = Provider.objects.filter(
            project=values.get("project", self.instance.project_id), name=values.get("name")
        )
        if twins.exclude(pk=self.instance.pk).exists():
            self.add_error("name", ProviderExistsError(name=values["name"]).detail)
        return values


@admin.register(Provider)
class ProviderAdmin(ModelAdmin):  # type: ignore[misc]
    """Providers."""

    form = ProviderForm
    list_display = ("name", "project", "kind", "leads_to", "priority", "weight", "health")
    list_filter = (("project", RelatedDropdownFilter), "kind", "is_enabled")
    list_select_related = ("project",)
    ordering = ("project", "priority", "name")
    actions = ("ask", "pause", "resume")
    change_form_outer_before_template = "providers/provider_acts.html"
    facts = ("kind", "leads_to", "health", "bounces_come_to", "created_at", "updated_at")

    def get_fields(self, request: HttpRequest, obj: Provider | None = None) -> tuple[str, ...]:
        is_written = obj is None or self.has_change_permission(request, obj)
        written = ("new_url", "new_bounce_mailbox") if is_written else ()
        return (*self.form.Meta.fields, *written, *self.list_facts(request, obj))

    def get_readonly_fields(self, request: HttpRequest, obj: Provider | None = None) -> tuple[str, ...]:
        return ("project", *self.list_facts(request, obj)) if obj else ()

    def list_facts(self, request: HttpRequest, obj: Provider | None) -> tuple[str, ...]:
        """The read-only fields. The event URL is a secret, shown only with permission to change the provider."""
        if obj is None:
            return ()
        if obj.kind != ProviderKind.ESP:
            return self.facts
        is_told = super().has_change_permission(request, obj)
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

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Open a new bounce mailbox first: the network must not be used within the admin's transaction."""
        url = request.POST.get("new_bounce_mailbox", "").strip() if request.method == "POST" else ""
        is_opened = url not in {"", NO_MAILBOX} and may_act(request)
        vars(request)["mailbox"] = self._open_mailbox(request, url, object_id) if is_opened else None
        response: HttpResponse = super().changeform_view(request, object_id, form_url, extra_context)
        return response

    def _open_mailbox(self, request: HttpRequest, url: str, object_id: str | None) -> MailboxInput | InvalidFieldsError:
        try:
            kind = find_kind(request.POST.get("new_url", ""), object_id)
            return read_mailbox(url, kind=kind, is_operated=True)
        except InvalidFieldsError as error:
            return error

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        form.mailbox = getattr(request, "mailbox", None)
        return form

    def save_model(self, request: HttpRequest, obj: Provider, form: ProviderForm, change: bool) -> None:
        target = ProviderTarget(url=form.cleaned_data["new_url"]) if form.cleaned_data["new_url"] else None
        values = {name: getattr(obj, name) for name in COLUMNS}
        mailbox = form.mailbox if isinstance(form.mailbox, MailboxInput) else None
        if change:
            is_removed = form.cleaned_data["new_bounce_mailbox"] == NO_MAILBOX
            given = mailbox if mailbox or is_removed else UNCHANGED
            change_provider(obj, target=target, is_operated=True, mailbox=given, name=obj.name, **values)
        else:
            assert target is not None
            added = add_provider(obj.project, name=obj.name, target=target, is_operated=True, mailbox=mailbox, **values)
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
            context |= {"may_act": may_act(request), "acts": list_buttons(provider)}
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


def find_kind(url: str, object_id: str | None) -> ProviderKind:
    """The kind that the provider will have: by its new URL, else as it is; `smtp` for what the form refuses anyway."""
    if url:
        try:
            return split_provider_url(url)[0]
        except ProviderSettingsError:
            return ProviderKind.SMTP
    provider = Provider.objects.filter(pk=object_id).first() if object_id else None
    return ProviderKind(provider.kind) if provider else ProviderKind.SMTP


def is_from_environment(provider: Provider | None) -> bool:
    """Whether PROVIDER_URL configures this provider: the next start would undo a change made here."""
    return provider is not None and provider.project_id is None and provider.name == SHARED_NAME
