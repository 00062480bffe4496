"""The limits of projects and keys, for staff."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from accounts.installation.limits import NAMES, LimitValues, set_limits
from accounts.models import KeyLimits, Limits, ProjectLimits
from accounts.people.scoped_admin import ScopedAdmin


class LimitsAdmin(ScopedAdmin, ModelAdmin):  # type: ignore[misc]
    """An owner without a row has the defaults; an empty field is no limit."""

    owner = ""

    def get_fields(self, _request: HttpRequest, _obj: Limits | None = None) -> tuple[str, ...]:
        return (self.owner, *NAMES)

    def get_readonly_fields(self, _request: HttpRequest, obj: Limits | None = None) -> tuple[str, ...]:
        return (self.owner,) if obj else ()

    def save_model(self, request: HttpRequest, obj: Limits, _form: Any, _change: bool) -> None:
        values = LimitValues(**{name: getattr(obj, name) or None for name in NAMES})
        set_limits(request.user.get_username(), getattr(obj, self.owner), values)


@admin.register(ProjectLimits)
class ProjectLimitsAdmin(LimitsAdmin):
    """Limits of all keys of a project together."""

    owner = "project"
    list_display = ("project", *NAMES)
    list_select_related = ("project",)
    search_fields = ("project__name",)


@admin.register(KeyLimits)
class KeyLimitsAdmin(LimitsAdmin):
    """Limits of single keys."""

    project_path = "api_key__project"
    owner = "api_key"
    list_display = ("api_key", *NAMES)
    list_select_related = ("api_key",)
    search_fields = ("api_key__name", "api_key__prefix")
