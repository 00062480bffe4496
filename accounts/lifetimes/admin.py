"""The retention of projects, for staff."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from accounts.lifetimes.models import Retention
from accounts.lifetimes.retention import KINDS, KeptDays, set_kept_days
from accounts.people.scoped_admin import ScopedAdmin


@admin.register(Retention)
class RetentionAdmin(ScopedAdmin, ModelAdmin):  # type: ignore[misc]
    """A project without a row has the defaults; an empty field keeps for good."""

    fields = ("project", *KINDS)
    list_display = ("project", *KINDS)
    list_select_related = ("project",)
    search_fields = ("project__name",)

    def get_readonly_fields(self, _request: HttpRequest, obj: Retention | None = None) -> tuple[str, ...]:
        return ("project",) if obj else ()

    def save_model(self, request: HttpRequest, obj: Retention, _form: Any, _change: bool) -> None:
        days = KeptDays(**{kind: getattr(obj, kind) for kind in KINDS})
        set_kept_days(request.user.get_username(), obj.project, days)
