"""Templates for support staff: the draft, its preview, and the published versions."""

import json
from copy import copy
from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.forms.fields import InvalidJSONInput
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import escape
from rest_framework.exceptions import ValidationError
from unfold.admin import ModelAdmin, TabularInline
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts.people.scoped_admin import ScopedAdmin, ScopedFilter
from accounts.services import write_audit
from common.errors import ApiError, InvalidFieldsError
from common.validation import list_field_errors
from templates_app.draft_checks import ALIAS_RULE
from templates_app.models import BODIES, Template, Version
from templates_app.previews import FRAME_HEADERS, preview_posted
from templates_app.serializers import TemplateInput
from templates_app.services import (
    FIELDS,
    AliasTakenError,
    RenderedContent,
    build_variables_sample,
    delete_template,
    fill_draft,
    is_alias,
    publish_template,
    save_template,
)


class LanguagesField(forms.JSONField):
    """The parts in other languages as JSON, checked as in the API."""

    def to_python(self, value: Any) -> Any:
        try:
            return TemplateInput().run_validation({"locales": super().to_python(value)})["locales"]
        except RecursionError:
            raise forms.ValidationError("Is nested too deeply.") from None
        except ValidationError as error:
            reasons = [f"{each.field}: {each.message}" for each in list_field_errors(error)]
            raise forms.ValidationError(reasons) from None

    def bound_data(self, data: Any, initial: Any) -> Any:
        """What was posted, to be shown again as it was."""
        return initial if data is None else InvalidJSONInput(data)


class TemplateForm(forms.ModelForm):  # type: ignore[type-arg]
    """Drafts are validated as in the API."""

    name = forms.CharField(
        max_length=200, required=False, widget=UnfoldAdminTextInputWidget, help_text="Empty: the alias."
    )

    class Meta:
        model = Template
        fields: ClassVar = ["project", *FIELDS]
        widgets: ClassVar = {"subject": UnfoldAdminTextInputWidget, "default_locale": UnfoldAdminTextInputWidget}
        field_classes: ClassVar = {"locales": LanguagesField}

    def clean_alias(self) -> str | None:
        alias: str = self.cleaned_data["alias"] or ""
        if alias and not is_alias(alias):
            raise forms.ValidationError(ALIAS_RULE)
        return alias or None

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        project = values.get("project") or getattr(self.instance, "project", None)
        if self.errors or project is None:
            return values
        draft = copy(self.instance)
        draft.project = project
        layout = values["layout"]
        try:
            fill_draft(draft, {**values, "layout": str(layout.pk) if layout else None})
        except InvalidFieldsError as error:
            for each in error.errors:
                self.add_error(each.field if each.field in self.fields else None, each.message)
        others = Template.objects.current().filter(project=project, alias=draft.alias).exclude(pk=draft.pk)
        if draft.alias and others.exists():
            self.add_error("alias", AliasTakenError(alias=draft.alias).detail)
        return {**values, "name": draft.name}


class VersionInline(TabularInline):  # type: ignore[misc]
    """Published versions, read-only."""

    model = Version
    extra = 0
    can_delete = False
    ordering = ("-number",)
    fields = ("number", "subject", "created_at")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Version]:
        versions: QuerySet[Version] = super().get_queryset(request)
        return versions.defer(*BODIES, "base_html")

    def has_add_permission(self, *_: object) -> bool:
        return False

    def has_change_permission(self, *_: object) -> bool:
        return False

    def has_view_permission(self, *_: object) -> bool:
        """The page is of a template that the user may see."""
        return True


@admin.register(Template)
class TemplateAdmin(ScopedAdmin, ModelAdmin):  # type: ignore[misc]
    """Templates and their versions."""

    form = TemplateForm
    list_display = ("name", "alias", "project", "published_version", "updated_at")
    list_filter = (("project", ScopedFilter),)
    search_fields = ("name", "alias", "subject", "project__name")
    ordering = ("-id",)
    inlines = (VersionInline,)
    change_form_outer_after_template = "templates_app/preview.html"
    facts = ("published_version", "variables", "optional_variables", "created_at", "updated_at")

    class Media:
        js = ("templates_app/preview.js",)
        css: ClassVar = {"all": ["templates_app/preview.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Template]:
        templates: QuerySet[Template] = super().get_queryset(request).filter(deleted_at=None)
        return templates.select_related("project", "published_version")

    def get_fields(self, _request: HttpRequest, obj: Template | None = None) -> tuple[str, ...]:
        return ("project", *FIELDS, *(self.facts if obj else ()))

    def get_readonly_fields(self, _request: HttpRequest, obj: Template | None = None) -> tuple[str, ...]:
        return ("project", *self.facts) if obj else ()

    def get_inlines(self, _request: HttpRequest, obj: Template | None) -> tuple[type[TabularInline], ...]:
        return self.inlines if obj else ()

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "layout":
            shown = request.resolver_match.kwargs.get("object_id") if request.resolver_match else None
            layouts = self.get_queryset(request)
            kwargs["queryset"] = layouts.filter(project__templates=shown).exclude(pk=shown) if shown else layouts
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: Template, _form: TemplateForm, change: bool) -> None:
        save_template(fill_draft(obj, {}))
        self.note(request, "change_template" if change else "add_template", obj)

    def get_deleted_objects(
        self, objs: Any, _request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        names = [str(template) for template in objs]
        layouts_of = Template.objects.current().filter(layout__in=list(objs))
        return names, {"templates": len(names)}, set(), [f"{template}, whose layout it is" for template in layouts_of]

    def delete_model(self, request: HttpRequest, obj: Template) -> None:
        self.note(request, "delete_template", obj)
        delete_template(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Template]) -> None:
        for template in queryset:
            self.delete_model(request, template)

    def note(self, request: HttpRequest, action: str, template: Template) -> None:
        write_audit(request.user.get_username(), action, template, id=str(template.pk), project=template.project.name)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        template: Template | None = kwargs.get("obj")
        context["preview_locales"] = list_locales(template) if template else ()
        context["variables_sample"] = json.dumps(build_variables_sample(template) if template else {}, indent=2)
        context["may_publish"] = template is not None and self.has_change_permission(request, template)
        response: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return response

    def get_urls(self) -> list[URLPattern]:
        own = [
            path("preview/", self.admin_site.admin_view(self.preview), name="templates_template_preview"),
            path("preview/frame/", self.admin_site.admin_view(self.preview_frame), name="templates_template_frame"),
            path("<uuid:pk>/publish/", self.admin_site.admin_view(self.publish), name="templates_template_publish"),
        ]
        return [*own, *super().get_urls()]

    def publish(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Publish the draft: mail is made from it from now on."""
        template = self.get_queryset(request).filter(pk=pk).first()
        if template is None or request.method != "POST":
            raise Http404
        if not self.has_change_permission(request, template):
            raise PermissionDenied
        try:
            version = publish_template(template)
        except ApiError as error:
            reasons = [each.message for each in error.errors] or [error.detail]
            self.message_user(request, f"Not published. {' '.join(reasons)}", messages.ERROR)
        else:
            self.note(request, "publish_template", template)
            self.message_user(request, f"New mail uses version {version.number}.", messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:templates_template_change", args=[pk]))

    def preview(self, request: HttpRequest) -> HttpResponse:
        """Render the posted draft with the posted variables, without its HTML; nothing is stored."""
        try:
            content = self.read_preview(request)
        except ApiError as error:
            wrong = [[each.field, each.message] for each in error.errors] or [["", error.detail]]
            return JsonResponse({"errors": wrong})
        return JsonResponse({"subject": content.subject, "text": content.text or ""})

    def preview_frame(self, request: HttpRequest) -> HttpResponse:
        """The draft's HTML, for a frame. It is a page of its own because it needs a policy of its own."""
        try:
            html = self.read_preview(request).html or ""
        except ApiError as error:
            html = escape(error.detail)
        return HttpResponse(html, headers=FRAME_HEADERS)

    def read_preview(self, request: HttpRequest) -> RenderedContent:
        if request.method != "POST" or not self.has_view_permission(request):
            raise PermissionDenied
        return preview_posted(request.POST.dict())


def list_locales(template: Template) -> list[str]:
    """The languages that a template has, for the preview's choice."""
    return sorted({*template.locales, template.default_locale} - {""})
