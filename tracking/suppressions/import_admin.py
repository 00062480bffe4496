"""The admin's page for the import of a suppression file, with a report of the lines that were not taken."""

from dataclasses import asdict
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from unfold.admin import ModelAdmin
from unfold.decorators import action
from unfold.widgets import (
    UnfoldAdminFileFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from accounts.models import Project
from accounts.people.scoped_admin import ScopedAdmin, limit_project_field
from accounts.services import write_audit
from accounts.streams import check_stream
from common.errors import ApiError, InvalidFieldsError
from tracking.models import SuppressionReason
from tracking.suppressions.csv_files import ImportPlan, ImportResult, import_suppressions
from tracking.suppressions.rows import BadLine
from tracking.suppressions.text_lines import read_lines

# The most lines that the page lists.
MAX_SHOWN = 200


class ImportForm(forms.Form):
    """A file and the options of its import."""

    project = forms.ModelChoiceField(Project.objects.all(), widget=UnfoldAdminSelectWidget)
    file = forms.FileField(
        widget=UnfoldAdminFileFieldWidget,
        help_text="CSV, JSON, or a ZIP with one of them: our own export, or one of SendGrid, Mailgun, Postmark, "
        "Amazon SES, Mandrill or Brevo.",
    )
    reason = forms.ChoiceField(
        choices=[("", "by the file's columns, or manual"), *SuppressionReason.choices],
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text="For lines without a reason.",
    )
    stream = forms.CharField(
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="For opt-outs and manual entries without a stream. Empty: all streams.",
    )
    strict = forms.BooleanField(
        required=False, widget=UnfoldBooleanSwitchWidget, label="Import nothing if one line is invalid"
    )

    def clean(self) -> dict[str, Any]:
        values = self.cleaned_data
        if values.get("stream") and values.get("project"):
            try:
                check_stream(values["project"].pk, values["stream"])
            except InvalidFieldsError as error:
                self.add_error("stream", error.errors[0].message)
        return values


class ImportAdmin(ScopedAdmin, ModelAdmin):  # type: ignore[misc]
    """A model admin with the page of the import."""

    actions_list = ("import_file",)

    def has_import_permission(self, request: HttpRequest) -> bool:
        """The permission to add entries includes that to import them."""
        return bool(self.has_add_permission(request))

    @action(description="Import a file", url_path="import", permissions=["import"])  # type: ignore[untyped-decorator]
    def import_file(self, request: HttpRequest) -> HttpResponse:
        if not self.has_import_permission(request):
            raise PermissionDenied
        form = ImportForm(request.POST or None, request.FILES or None)
        limit_project_field(form, self.find_reach(request, "add"))
        result: ImportResult | None = None
        bad: list[BadLine] = []
        if request.method == "POST" and form.is_valid():
            try:
                result = self.run_import(request, form.cleaned_data, bad)
            except ApiError as error:
                form.add_error(None, error.detail)
        context = {
            **self.admin_site.each_context(request),
            "title": "Import suppressions",
            "opts": self.opts,
            "form": form,
            "result": result,
            "lines": bad[:MAX_SHOWN],
            "more": len(bad) - MAX_SHOWN,
        }
        return TemplateResponse(request, "tracking/import.html", context)

    def run_import(self, request: HttpRequest, values: dict[str, Any], bad: list[BadLine]) -> ImportResult:
        project: Project = values["project"]
        plan = ImportPlan(reason=values["reason"] or None, stream=values["stream"] or None, is_strict=values["strict"])
        result = import_suppressions(project.pk, read_lines(values["file"].file), plan, bad.append)
        write_audit(request.user.get_username(), "import_suppressions", project, **asdict(result))
        return result
