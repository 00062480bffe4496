"""The admin of pauses: made here, ended by actions, never changed."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from accounts.people.scoped_admin import ScopedAdmin, ScopedFilter
from common.errors import ApiError
from messages.models import Pause
from messages.pause_models import PauseKind
from messages.pausing.services import end_pause, start_pause
from messages.pausing.values import PauseValue, read_value


class PauseForm(forms.ModelForm):  # type: ignore[type-arg]
    """The form of a new pause."""

    class Meta:
        model = Pause
        fields: ClassVar = ["project", "kind", "value", "reason"]
        widgets: ClassVar = {"value": UnfoldAdminTextInputWidget, "reason": UnfoldAdminTextInputWidget}
        help_texts: ClassVar = {
            "project": "Empty for all projects: domains and shared providers only.",
            "value": "An id, name, alias, key's prefix, tag or domain. A pause of the project needs none.",
            "reason": "Shown where the mail is explained.",
        }

    found: PauseValue

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if "value" in self.fields:
            self.fields["project"].required = self.fields["value"].required = False
            people = [choice for choice in PauseKind.choices if choice[0] != PauseKind.MAILBOX_PROVIDER]
            self.fields["kind"] = forms.ChoiceField(choices=people, widget=UnfoldAdminSelectWidget)

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if self.errors:
            return values
        kind = PauseKind(values["kind"])
        try:
            self.found = read_value(values.get("project"), kind, values.get("value") or "")
        except ApiError as error:
            raise forms.ValidationError(error.detail) from None
        is_same = {"kind": kind, "value": self.found.value, "project": values.get("project"), "is_by_guard": False}
        if Pause.objects.filter(ended_at=None, **is_same).exists():
            raise forms.ValidationError("This is paused already.")
        return values


class HoldingFilter(admin.SimpleListFilter):
    """Pauses that hold, unless those that have ended are asked for."""

    title, parameter_name = "state", "ended"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Ended"), ("all", "All")]

    def queryset(self, _request: HttpRequest, queryset: QuerySet[Pause]) -> QuerySet[Pause]:
        if self.value() == "all":
            return queryset
        return queryset.filter(ended_at__isnull=self.value() != "yes")


@admin.register(Pause)
class PauseAdmin(ScopedAdmin, ModelAdmin):  # type: ignore[misc]
    """What is held back, by people and by the guard."""

    form = PauseForm
    list_display = ("created_at", "kind", "label", "project", "effect", "made_by", "reason", "ended_at")
    list_filter = (HoldingFilter, "kind", "is_by_guard", ("project", ScopedFilter))
    list_select_related = ("project",)
    actions = ("resume_selected", "drop_selected")
    readonly_fields = (
        *("project", "kind", "value", "label", "effect", "reason", "made_by", "data", "created_at"),
        *("dropping_at", "ended_at", "ended_by"),
    )

    @admin.display(description="Effect")
    def effect(self, pause: Pause) -> str:
        if pause.per_minute is not None:
            return f"bulk mail: {pause.per_minute} a minute"
        return "mail with an opt-out waits" if pause.only_opt_out else "mail waits"

    def get_fields(self, _request: HttpRequest, obj: Pause | None = None) -> tuple[str, ...]:
        return self.readonly_fields if obj else ("project", "kind", "value", "reason")

    def get_readonly_fields(self, _request: HttpRequest, obj: Pause | None = None) -> tuple[str, ...]:
        return self.readonly_fields if obj else ()

    def has_change_permission(self, request: HttpRequest, obj: Pause | None = None) -> bool:
        """A pause is not edited; the permission is that of the actions."""
        return obj is None and bool(super().has_change_permission(request))

    def has_delete_permission(self, _request: HttpRequest, _obj: Pause | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Pause, form: PauseForm, _change: bool) -> None:
        actor = request.user.get_username()
        made = start_pause(actor, obj.project, PauseKind(obj.kind), value=form.found, reason=obj.reason)
        obj.__dict__.update(made.__dict__)

    @admin.action(description="Resume: the mail goes out", permissions=["change"])
    def resume_selected(self, request: HttpRequest, queryset: QuerySet[Pause]) -> None:
        self.end(request, queryset, should_drop=False)

    @admin.action(description="Resume and drop: the mail in the queue fails", permissions=["change"])
    def drop_selected(self, request: HttpRequest, queryset: QuerySet[Pause]) -> None:
        self.end(request, queryset, should_drop=True)

    def end(self, request: HttpRequest, queryset: QuerySet[Pause], *, should_drop: bool) -> None:
        for pause in queryset.filter(ended_at=None):
            end_pause(request.user.get_username(), pause, should_drop=should_drop)
            self.message_user(request, f"{pause}: {'dropped' if should_drop else 'resumed'}.", messages.SUCCESS)
