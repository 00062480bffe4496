"""The admin of erasures: asked for here, done by beat, and kept as their proof. None is changed or deleted."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db import transaction
from django.http import HttpRequest
from django.utils.html import format_html_join
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts.people.scoped_admin import ScopedAdmin, ScopedFilter
from accounts.services import write_audit
from common.addresses import AddressError, parse_address
from messages.lifetimes.erasures import request_erasure
from messages.models import Erasure


class ErasureForm(forms.ModelForm):  # type: ignore[type-arg]
    """The form of a new erasure."""

    person_address = forms.CharField(
        label="Address",
        max_length=320,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
        help_text="All that the project keeps of this address is erased: mail to it, events, webhook posts, logs. "
        "Scheduled mail to it is cancelled. Nothing undoes this.",
    )
    is_sure = forms.BooleanField(label="I am sure", required=True)

    class Meta:
        model = Erasure
        fields: ClassVar = ["project"]

    def clean_person_address(self) -> str:
        try:
            return parse_address(self.cleaned_data["person_address"]).address
        except AddressError as error:
            raise forms.ValidationError(str(error)) from None


@admin.register(Erasure)
class ErasureAdmin(ScopedAdmin, ModelAdmin):  # type: ignore[misc]
    """Erasures, each with its proof. The address itself is shown nowhere: it is forgotten at the end."""

    list_display = ("created_at", "project", "status", "requested_by", "finished_at", "address_hash")
    list_filter = ("status", ("project", ScopedFilter))
    list_select_related = ("project",)
    search_fields = ("address_hash", "requested_by")
    proof = ("project", "status", "requested_by", "created_at", "finished_at", "address_hash", "changed")

    def get_form(self, request: HttpRequest, obj: Erasure | None = None, change: bool = False, **options: Any) -> Any:
        return super().get_form(request, obj, change, **(options if obj else {**options, "form": ErasureForm}))

    def get_fields(self, _request: HttpRequest, obj: Erasure | None = None) -> tuple[str, ...]:
        return self.proof if obj else ("project", "person_address", "is_sure")

    def get_readonly_fields(self, _request: HttpRequest, obj: Erasure | None = None) -> tuple[str, ...]:
        return self.proof if obj else ()

    def has_change_permission(self, _request: HttpRequest, _obj: Erasure | None = None) -> bool:
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: Erasure | None = None) -> bool:
        """The proof stays."""
        return False

    def save_model(self, request: HttpRequest, obj: Erasure, form: Any, _change: bool) -> None:
        name = request.user.get_username()
        with transaction.atomic():
            made = request_erasure(obj.project, form.cleaned_data["person_address"], name)
            write_audit(name, "create_erasure", obj.project, id=str(made.pk))
        # Django goes on with the object that it made.
        for field in Erasure._meta.concrete_fields:
            setattr(obj, field.attname, getattr(made, field.attname))

    @admin.display(description="What was changed")
    def changed(self, row: Erasure) -> str:
        """The counts of the proof, by kind."""
        return format_html_join("", "<div>{}: {}</div>", sorted(row.counts.items())) or "Nothing yet"
