"""The members of projects, for their owners: who has which role, and how somebody gets one."""

from datetime import datetime
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts.models import Invitation, Membership, Session
from accounts.people.invitations import check_invitation, invite, withdraw
from accounts.people.roles import Role
from accounts.people.scoped_admin import ScopedAdmin, ScopedFilter
from accounts.people.services import give_role, take_role
from accounts.people.sessions import end_sessions
from accounts.services import write_audit
from common.errors import InvalidFieldsError


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


class InvitationForm(forms.ModelForm):  # type: ignore[type-arg]
    """An invitation."""

    class Meta:
        model = Invitation
        fields: ClassVar = ["project", "email", "role"]
        widgets: ClassVar = {"email": UnfoldAdminTextInputWidget(attrs={"type": "email"})}
        help_texts: ClassVar = {"email": "Gets a link that is valid for three days, and once."}

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if not self.errors:
            try:
                check_invitation(values["project"], values["email"])
            except InvalidFieldsError as error:
                self.add_error("email", [each.message for each in error.errors])
        return values


@admin.register(Invitation)
class InvitationAdmin(ScopedAdmin, ModelAdmin):  # type: ignore[misc]
    """Open and accepted invitations."""

    form = InvitationForm
    list_display = ("email", "role", "project", "state", "invited_by", "created_at")
    list_filter = (("project", ScopedFilter),)
    list_select_related = ("project", "accepted_by")
    search_fields = ("email",)

    @admin.display(description="State")
    def state(self, invitation: Invitation) -> str:
        if invitation.accepted_at:
            return f"accepted by {invitation.accepted_by}"
        if invitation.expires_at < timezone.now():
            return "expired"
        return "sent" if invitation.message_id else "waiting to be sent"

    def has_change_permission(self, _request: HttpRequest, _obj: Invitation | None = None) -> bool:
        return False

    def get_fields(self, _request: HttpRequest, obj: Invitation | None = None) -> tuple[str, ...]:
        return ("project", "email", "role", *(("state", "invited_by", "created_at", "expires_at") if obj else ()))

    def save_model(self, request: HttpRequest, obj: Invitation, _form: Any, _change: bool) -> None:
        made = invite(request.user.get_username(), obj.project, obj.email, Role(obj.role))
        obj.__dict__.update(made.__dict__)

    def delete_model(self, request: HttpRequest, obj: Invitation) -> None:
        withdraw(request.user.get_username(), obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Invitation]) -> None:
        for row in queryset.select_related("project"):
            self.delete_model(request, row)


@admin.register(Membership)
class MembershipAdmin(ScopedAdmin, ModelAdmin):  # type: ignore[misc]
    """Roles of people."""

    form = MembershipForm
    list_display = ("person", "email", "role", "where", "last_seen", "created_at")
    list_display_links = ("person",)
    sortable_by = ()
    list_filter = (("project", ScopedFilter), "role")
    list_select_related = ("user", "project")
    search_fields = ("user__username", "user__email")
    search_help_text = "Name or address"
    ordering = ("project__name", "user__username")
    actions = ("end_sessions_of_these",)
    action_permissions: ClassVar = {"end": "accounts.delete_membership"}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Membership]:
        rows: QuerySet[Membership] = super().get_queryset(request)
        seen = Session.objects.filter(user=OuterRef("user")).order_by("-seen_at").values("seen_at")[:1]
        return rows.annotate(seen_at=Subquery(seen))

    def has_end_permission(self, request: HttpRequest) -> bool:
        """Whoever may take a role may end the sessions of the person who has it."""
        return self.is_allowed(request, "end")

    @admin.action(description="End the sessions of these people", permissions=["end"])
    def end_sessions_of_these(self, request: HttpRequest, queryset: QuerySet[Membership]) -> None:
        for user in User.objects.filter(pk__in=queryset.values("user")):
            if user.is_superuser and not request.user.is_superuser:
                self.message_user(request, f"Only superusers end the sessions of {user}.", messages.ERROR)
                continue
            count = end_sessions(user.pk)
            write_audit(request.user.get_username(), "end_sessions", user.get_username(), count=count)
            self.message_user(request, f"{user}: {count} session{'s' if count != 1 else ''} ended.", messages.SUCCESS)

    @admin.display(description="Last seen (UTC)")
    def last_seen(self, membership: Membership) -> str:
        at: datetime | None = membership.seen_at  # type: ignore[attr-defined]
        return f"{at:%Y-%m-%d %H:%M}" if at else "-"

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
