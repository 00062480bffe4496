"""The admin's page that releases suppressions by bounces: by time, provider and words, after a preview."""

from datetime import UTC
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from accounts.models import Project
from accounts.people.scoped_admin import ScopedAdmin, limit_project_field
from accounts.services import write_audit
from messages.admin.buttons import STYLE
from messages.incidents.bounce_release import BounceSelection, release_bounced, select_bounced

MAX_SHOWN = 20
TIMES = ["%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"]
CRITERIA = ("since", "until", "provider", "words")


class TimeField(forms.DateTimeField):
    """A time in UTC, as the admin shows times."""

    def __init__(self, label: str) -> None:
        widget = UnfoldAdminTextInputWidget(attrs={"placeholder": "2026-01-31 09:30"})
        super().__init__(label=label, required=False, input_formats=TIMES, widget=widget)

    def prepare_value(self, value: Any) -> Any:
        return value

    def clean(self, value: Any) -> Any:
        found = super().clean(value)
        return found and found.replace(tzinfo=UTC)


class ReleaseForm(forms.Form):
    """The criteria; at least one beside the project."""

    project = forms.ModelChoiceField(
        Project.objects.all(), required=False, empty_label="All projects", widget=UnfoldAdminSelectWidget
    )
    since = TimeField("Made since (UTC)")
    until = TimeField("Made until (UTC)")
    provider = forms.CharField(
        label="Provider, by name", required=False, max_length=100, widget=UnfoldAdminTextInputWidget
    )
    words = forms.CharField(
        label="Words of the refusal, any part", required=False, max_length=300, widget=UnfoldAdminTextInputWidget
    )

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if not self.errors and not any(values.get(name) for name in CRITERIA):
            raise forms.ValidationError("Give a time, a provider or words.")
        return values

    def select(self) -> BounceSelection:
        return BounceSelection(**self.cleaned_data)


def release_bounces(admin: ScopedAdmin, request: HttpRequest) -> HttpResponseBase:
    """Show the form, then what it finds, and on the confirming POST release that."""
    if not admin.has_delete_permission(request):
        raise PermissionDenied
    form = ReleaseForm(request.POST or None)
    limit_project_field(form, admin.find_reach(request, "delete"))
    is_valid = request.method == "POST" and form.is_valid()
    if is_valid and "confirmed" in request.POST:
        count = sum(1 for _ in release_bounced(form.select()))
        criteria = {name: str(value) for name, value in form.cleaned_data.items() if value}
        write_audit(request.user.get_username(), "release_suppressions", "bounces", count=count, **criteria)
        admin.message_user(request, f"{count} suppressions by bounces were released.", messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:tracking_suppression_changelist"))
    found = select_bounced(form.select()) if is_valid else None
    context = {
        **admin.admin_site.each_context(request),
        "title": "Release suppressions by bounces",
        "opts": admin.opts,
        "media": STYLE + form.media,
        "form": form,
        "count": None if found is None else found.count(),
        "rows": [] if found is None else found[:MAX_SHOWN],
    }
    return TemplateResponse(request, "mail/admin/release_bounces.html", context)
