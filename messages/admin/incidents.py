"""The admin's page of incidents: whom one affected, as a list and as a CSV file. The command sends the mail again."""

from io import StringIO
from itertools import islice
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.template.response import TemplateResponse
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from accounts.models import Project
from accounts.people.scoped_admin import ScopedAdmin, limit_project_field
from accounts.services import write_audit
from messages.admin.bounce_release import TimeField
from messages.admin.buttons import STYLE
from messages.incidents.affected import IncidentFilter, list_affected
from messages.incidents.report import write_csv
from messages.models import IncidentResend

MAX_SHOWN = 200
MAX_COUNTED = 100_000


class IncidentForm(forms.Form):
    """What the incident was."""

    since = TimeField("Failed since (UTC)")
    until = TimeField("Until (UTC), empty for now")
    provider = forms.CharField(
        label="Provider, by name", required=False, max_length=100, widget=UnfoldAdminTextInputWidget
    )
    error = forms.CharField(label="Code or reason", required=False, max_length=100, widget=UnfoldAdminTextInputWidget)
    like = forms.CharField(
        label="A part of the reply", required=False, max_length=300, widget=UnfoldAdminTextInputWidget
    )
    project = forms.ModelChoiceField(
        Project.objects.all(), required=False, empty_label="All projects", widget=UnfoldAdminSelectWidget
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["since"].required = True

    def select(self) -> IncidentFilter:
        values = dict(self.cleaned_data)
        project = values.pop("project")
        values["until"] = values["until"] or timezone.now()
        return IncidentFilter(**values, project_id=project.pk if project else None)


@admin.register(IncidentResend)
class IncidentAdmin(ScopedAdmin, ModelAdmin):  # type: ignore[misc]
    """Staff who may see mail may look an incident up."""

    project_path = "recipient__project"
    action_permissions = {"look_up": "mail.view_message"}

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, _obj: Any = None) -> bool:
        return self.is_allowed(request, "look_up")

    def has_add_permission(self, _request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, _extra_context: Any = None) -> HttpResponseBase:
        """The form, and what it finds."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        form = IncidentForm(request.GET or None)
        limit_project_field(form, self.find_reach(request, "look_up"))
        is_valid = bool(request.GET) and form.is_valid()
        if is_valid and "csv" in request.GET:
            return self.download(request, form.select())
        rows = list(islice(list_affected(form.select()), MAX_COUNTED)) if is_valid else None
        context = {
            **self.admin_site.each_context(request),
            "title": "Incidents",
            "opts": self.opts,
            "media": STYLE + form.media,
            "form": form,
            "count": None if rows is None else len(rows),
            "rows": (rows or [])[:MAX_SHOWN],
            "query": request.GET.urlencode(),
        }
        return TemplateResponse(request, "mail/admin/incidents.html", context)

    def download(self, request: HttpRequest, incident: IncidentFilter) -> HttpResponse:
        file = StringIO()
        count = sum(1 for _ in write_csv(file, islice(list_affected(incident), MAX_COUNTED)))
        write_audit(request.user.get_username(), "export_incident", "incident", recipients=count)
        headers = {"Content-Disposition": 'attachment; filename="incident.csv"', "Cache-Control": "no-store"}
        return HttpResponse(file.getvalue(), content_type="text/csv; charset=utf-8", headers=headers)
