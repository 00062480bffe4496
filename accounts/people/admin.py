"""The members of projects, for their owners: who has which role, and how somebody gets one."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.auth.models import User
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts.models import Membership
from accounts.people.roles import Role
from accounts.people.scoped_admin import ScopedAdmin, ScopedFilter
from accounts.people.services import give_role, take_role


class MembershipForm(forms.ModelForm):  # type: ignore[type-arg]
    """A role for a person, who is named and not chosen: the people of other projects are nobody's business."""

    name = forms.CharField(
        max_length=150,
        label="User",
        widget=UnfoldAdminTextInputWidget(attrs={"autocapitalize": "off", "spellcheck": "false"}),
        help_text="The name with which the person signs in.",
    )

    class Meta:
        model = Membership
        fields: ClassVar = ["project", "role"]
        help_texts: ClassVar = {"project": "Empty: the whole installation."}

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"].strip()
        user = User.objects.filter(username=name).first()
        if user is None:
            raise forms.ValidationError("There is no user with this name.")
        self.instance.user = user
        return name

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if self.instance._state.adding and not self.errors:
            same = Membership.objects.filter(user=self.instance.user, project=values.get("project"))
            if same.exists():
                self.add_error("name", "This user has a role there already: change that one.")
        return values


@admin.register(Membership)
class MembershipAdmin(ScopedAdmin, ModelAdmin):  # type: ignore[misc]
    """Roles of people."""

    form = MembershipForm
    list_display = ("person", "email", "role", "where", "created_at")
    list_display_links = ("person",)
    list_filter = (("project", ScopedFilter), "role")
    list_select_related = ("user", "project")
    search_fields = ("user__username", "user__email")
    search_help_text = "Name or address"
    ordering = ("project__name", "user__username")

    @admin.display(description="User", ordering="user__username")
    def person(self, membership: Membership) -> str:
        return membership.user.get_username()

    @admin.display(description="Address")
    def email(self, membership: Membership) -> str:
        return membership.user.email or "-"

    @admin.display(description="Where", ordering="project__name")
    def where(self, membership: Membership) -> str:
        return str(membership.project) if membership.project else "whole installation"

    def get_fields(self, _request: HttpRequest, obj: Membership | None = None) -> tuple[str, ...]:
        return ("person", "email", "where", "role", "created_at") if obj else ("name", "project", "role")

    def get_readonly_fields(self, _request: HttpRequest, obj: Membership | None = None) -> tuple[str, ...]:
        return ("person", "email", "where", "created_at") if obj else ()

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any) -> Any:
        if obj is not None:
            options["form"] = forms.ModelForm
        return super().get_form(request, obj, change, **options)

    def save_model(self, request: HttpRequest, obj: Membership, _form: Any, _change: bool) -> None:
        row, _ = give_role(request.user.get_username(), obj.user, obj.project, Role(obj.role))
        obj.__dict__.update(row.__dict__)

    def delete_model(self, request: HttpRequest, obj: Membership) -> None:
        take_role(request.user.get_username(), obj)

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        for row in queryset.select_related("user", "project"):
            self.delete_model(request, row)
