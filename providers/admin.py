"""Providers: where mail goes out. Credentials are written here and never shown."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import RelatedDropdownFilter
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts.services import write_audit
from providers.addresses import ProviderUrlError, parse_provider_url
from providers.choice import routes
from providers.models import Provider
from providers.services import SHARED_NAME

EXAMPLES = "smtp://user:password@host:587, smtps://…, inbox://127.0.0.1:2525 or simulator:"


class ProviderForm(forms.ModelForm):  # type: ignore[type-arg]
    """The URL is checked as PROVIDER_URL is. Left empty, the present one stays."""

    new_url = forms.CharField(
        label="URL",
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )

    class Meta:
        model = Provider
        fields: ClassVar = ["project", "name", "priority", "weight", "is_enabled"]
        widgets: ClassVar = {"name": UnfoldAdminTextInputWidget}
        help_texts: ClassVar = {
            "project": "Left out: for every project that has no provider of its own.",
            "priority": "The lowest is used first.",
            "weight": "How much of the mail this one gets among those of the same priority.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "project" in self.fields:
            self.fields["project"].required = False
        is_new = self.instance._state.adding
        self.fields["new_url"].required = is_new
        self.fields["new_url"].help_text = EXAMPLES if is_new else f"Empty: it stays as it is. {EXAMPLES}"

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"].strip()
        if not name.isprintable() or len(name) > 100:
            raise forms.ValidationError("A name has at most 100 printable characters.")
        return name

    def clean_weight(self) -> int:
        weight: int = self.cleaned_data["weight"]
        if weight < 1:
            raise forms.ValidationError("At least 1.")
        return weight

    def clean_new_url(self) -> str:
        url: str = self.cleaned_data["new_url"].strip()
        if url:
            try:
                self.instance.kind = parse_provider_url(url).kind
            except ProviderUrlError as error:
                raise forms.ValidationError(str(error)) from None
            self.instance.url = url
        return url


@admin.register(Provider)
class ProviderAdmin(ModelAdmin):  # type: ignore[misc]
    """The ways out."""

    form = ProviderForm
    list_display = ("name", "project", "kind", "leads_to", "priority", "weight", "is_enabled", "pause")
    list_filter = (("project", RelatedDropdownFilter), "kind", "is_enabled")
    list_select_related = ("project",)
    ordering = ("project", "priority", "name")
    actions = ("resume",)
    facts = ("kind", "leads_to", "pause", "created_at", "updated_at")

    def get_fields(self, _request: HttpRequest, obj: Provider | None = None) -> tuple[str, ...]:
        return (*self.form.Meta.fields, "new_url", *(self.facts if obj else ()))

    def get_readonly_fields(self, _request: HttpRequest, obj: Provider | None = None) -> tuple[str, ...]:
        return ("project", *self.facts) if obj else ()

    @admin.display(description="Leads to")
    def leads_to(self, provider: Provider) -> str:
        """Host and port, and the user's name; the rest of the URL is nobody's business."""
        try:
            address = parse_provider_url(provider.url)
        except ProviderUrlError:
            return "a URL that cannot be read"
        if not address.host:
            return "nowhere"
        return f"{address.username + ' at ' if address.username else ''}{address.host}:{address.port}"

    @admin.display(description="Paused")
    def pause(self, provider: Provider) -> str:
        if provider.paused_until is None or provider.paused_until <= timezone.now():
            return "no"
        return f"until {provider.paused_until:%H:%M:%S} UTC: {provider.pause_reason}"

    def has_change_permission(self, request: HttpRequest, obj: Provider | None = None) -> bool:
        return bool(super().has_change_permission(request, obj)) and not is_from_environment(obj)

    def has_delete_permission(self, request: HttpRequest, obj: Provider | None = None) -> bool:
        return bool(super().has_delete_permission(request, obj)) and not is_from_environment(obj)

    def save_model(self, request: HttpRequest, obj: Provider, form: ProviderForm, change: bool) -> None:
        super().save_model(request, obj, form, change)
        self.note(request, "change_provider" if change else "add_provider", obj)

    def delete_model(self, request: HttpRequest, obj: Provider) -> None:
        self.note(request, "delete_provider", obj)
        super().delete_model(request, obj)
        routes.forget()

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Provider]) -> None:
        for provider in queryset:
            if not is_from_environment(provider):
                self.delete_model(request, provider)

    def note(self, request: HttpRequest, action: str, provider: Provider) -> None:
        write_audit(request.user.get_username(), action, provider, id=str(provider.pk), kind=provider.kind)
        routes.forget()

    @admin.action(description="Resume now", permissions=["change"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Provider]) -> None:
        """End pauses: somebody has mended what they were for."""
        for provider in queryset:
            self.note(request, "resume_provider", provider)
        count = queryset.update(paused_until=None, pause_reason="")
        routes.forget()
        self.message_user(request, f"{count} resumed.", messages.SUCCESS)


def is_from_environment(provider: Provider | None) -> bool:
    """Whether PROVIDER_URL says what this one is: a change here would not outlive the next start."""
    return provider is not None and provider.project_id is None and provider.name == SHARED_NAME
