"""The suppression list for support staff."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.paginator import InfinitePaginator
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts.services import write_audit
from common.addresses import AddressError, parse_address
from tracking.models import Suppression
from tracking.stats.admin import RollupAdmin as RollupAdmin
from tracking.suppressions.service import Entry, release_suppression, suppress


class SuppressionForm(forms.ModelForm):  # type: ignore[type-arg]
    """The form of a new suppression. It parses addresses like the API."""

    class Meta:
        model = Suppression
        fields: ClassVar = ["project", "address", "reason", "note"]
        widgets: ClassVar = {"address": UnfoldAdminTextInputWidget, "note": UnfoldAdminTextInputWidget}

    def clean_address(self) -> str:
        try:
            return parse_address(self.cleaned_data["address"]).address.lower()
        except AddressError as error:
            raise forms.ValidationError(error.message) from None


@admin.register(Suppression)
class SuppressionAdmin(ModelAdmin):  # type: ignore[misc]
    """Suppressions: staff can add and remove entries, but not change them."""

    form = SuppressionForm
    list_display = ("address", "reason", "project", "note", "created_at")
    list_filter = ("reason", "project")
    list_select_related = ("project",)
    # A list may have a million rows, so the search uses the beginning of addresses, which is indexed by project.
    search_fields = ("address__startswith",)
    search_help_text = "The beginning of an address, in lower case."
    show_full_result_count = False
    paginator = InfinitePaginator
    ordering = ("-id",)

    def get_fields(self, _request: HttpRequest, obj: Suppression | None = None) -> tuple[str, ...]:
        return ("project", "address", "reason", "note", *(("message_id", "created_at") if obj else ()))

    def has_change_permission(self, *_: object) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Suppression, _form: SuppressionForm, _change: bool) -> None:
        row, _ = suppress(obj.project_id, Entry(address=obj.address, reason=obj.reason, note=obj.note))
        obj.__dict__.update(row.__dict__)
        self.note(request, "suppress", row)

    def delete_model(self, request: HttpRequest, obj: Suppression) -> None:
        self.note(request, "release", obj)
        release_suppression(obj.project_id, obj.address)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Suppression]) -> None:
        for row in queryset.select_related("project"):
            self.delete_model(request, row)

    def note(self, request: HttpRequest, action: str, row: Suppression) -> None:
        details: dict[str, Any] = {"project": row.project.name, "reason": row.reason}
        write_audit(request.user.get_username(), action, row, **details)
