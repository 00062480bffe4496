"""The suppression list for support staff."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.paginator import InfinitePaginator
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts.people.scoped_admin import ScopedFilter
from accounts.services import write_audit
from accounts.streams import check_stream
from common.addresses import AddressError, parse_address
from common.errors import InvalidFieldsError
from tracking.models import Suppression, SuppressionWay
from tracking.stats.admin import RollupAdmin as RollupAdmin
from tracking.suppressions.import_admin import ImportAdmin
from tracking.suppressions.reach import MAY_NAME_STREAM
from tracking.suppressions.service import Entry, release_suppressions, select_entry, suppress
from tracking.suppressions.views import has_address_part
from tracking.suppressions.waves_admin import WaveAdmin as WaveAdmin

# The fields of an entry's proof.
PROOF = ("message_id", "way", "ip", "created_at")


class SuppressionForm(forms.ModelForm):  # type: ignore[type-arg]
    """The form of a new suppression. It parses addresses like the API."""

    class Meta:
        model = Suppression
        fields: ClassVar = ["project", "address", "reason", "stream", "note"]
        widgets: ClassVar = {
            name: UnfoldAdminTextInputWidget(attrs={"size": 40}) for name in ("address", "stream", "note")
        }
        help_texts: ClassVar = {
            "stream": "The only stream for which it holds, for the reasons unsubscribe and manual. Empty: all streams."
        }

    def clean_address(self) -> str:
        try:
            return parse_address(self.cleaned_data["address"]).address.lower()
        except AddressError as error:
            raise forms.ValidationError(error.message) from None

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        stream, project = values.get("stream") or None, values.get("project")
        if stream and values.get("reason") not in MAY_NAME_STREAM:
            self.add_error("stream", f"The reason {values.get('reason')} holds for all streams.")
        elif stream and project:
            try:
                check_stream(project.pk, stream)
            except InvalidFieldsError as error:
                self.add_error("stream", error.errors[0].message)
        key = {name: values.get(name) for name in ("project", "address", "reason")}
        # Django leaves out a constraint with a field that is not in the form.
        if Suppression.objects.filter(**key, stream=stream, is_test=False).exists():
            self.add_error("address", "This address has such an entry already.")
        return {**values, "stream": stream}


@admin.register(Suppression)
class SuppressionAdmin(ImportAdmin):
    """Suppressions: staff can add and remove entries, but not change them."""

    form = SuppressionForm
    list_display: tuple[str, ...] = ("address", "reason", "where", "way", "project", "note", "created_at")
    list_filter = ("reason", "stream", "way", "is_test", ("project", ScopedFilter))
    list_select_related = ("project",)
    # Only turns the search box on; `get_search_results` searches.
    search_fields = ("address",)
    search_help_text = "A part of an address"
    show_full_result_count = False
    paginator = InfinitePaginator
    ordering = ("-id",)

    def get_fields(self, _request: HttpRequest, obj: Suppression | None = None) -> tuple[str, ...]:
        return ("project", "address", "reason", "where" if obj else "stream", "note", *(PROOF if obj else ()))

    def get_readonly_fields(self, _request: HttpRequest, obj: Suppression | None = None) -> tuple[str, ...]:
        return (*self.readonly_fields, *(("where",) if obj else ()))

    def get_search_results(
        self, _request: HttpRequest, queryset: QuerySet[Suppression], search_term: str
    ) -> tuple[QuerySet[Suppression], bool]:
        return (queryset.filter(has_address_part(search_term)) if search_term else queryset), False

    @admin.display(description="Stream", ordering="stream")
    def where(self, row: Suppression) -> str:
        return row.stream or "all"

    def has_change_permission(self, *_: object) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Suppression, _form: SuppressionForm, _change: bool) -> None:
        entry = Entry(address=obj.address, reason=obj.reason, stream=obj.stream, note=obj.note, way=SuppressionWay.API)
        row, _ = suppress(obj.project_id, entry)
        obj.__dict__.update(row.__dict__)
        self.note(request, "suppress", row)

    def delete_model(self, request: HttpRequest, obj: Suppression) -> None:
        self.note(request, "release", obj)
        release_suppressions(obj.project_id, obj.address, select_entry(obj), is_test=obj.is_test)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Suppression]) -> None:
        for row in queryset.select_related("project"):
            self.delete_model(request, row)

    def note(self, request: HttpRequest, action: str, row: Suppression) -> None:
        details: dict[str, Any] = {"project": row.project.name, "reason": row.reason, "stream": row.stream}
        write_audit(request.user.get_username(), action, row, **details)
