"""The statistics page for staff: the figures of one project and period."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from unfold.admin import ModelAdmin

from accounts.models import Project
from accounts.people.scoped_admin import ScopedAdmin, hide_others
from templates_app.models import Template
from tracking.models import Rollup
from tracking.stats.filters import GROUPS, read_question
from tracking.stats.report import LENGTHS, Row, Statistics, StatsRequest, StatsStep, count_groups, count_mail
from tracking.stats.serializers import OF_SENT, show_row

# The periods by name: title, length and step.
PERIODS: Mapping[str, tuple[str, timedelta, StatsStep]] = {
    "day": ("the last 24 hours", timedelta(hours=24), StatsStep.HOUR),
    "week": ("the last 7 days", timedelta(days=7), StatsStep.DAY),
    "month": ("the last 30 days", timedelta(days=30), StatsStep.DAY),
    "quarter": ("the last 90 days", timedelta(days=90), StatsStep.DAY),
}
USUAL = "week"


@admin.register(Rollup)
class RollupAdmin(ScopedAdmin, ModelAdmin):  # type: ignore[misc]
    """A read-only page of statistics."""

    def has_add_permission(self, _request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: Rollup | None = None) -> bool:
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: Rollup | None = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The page. An unknown choice is replaced by the default."""
        self.check_view(request)
        reach = self.find_reach(request, "view")
        projects = list(reach.limit(Project.objects.all(), "pk"))
        chosen = request.GET
        hide_others(reach, [chosen.get("project", "")])
        first = projects[0] if projects else None
        project = next((each for each in projects if str(each.pk) == chosen.get("project")), first)
        period = chosen.get("period") if chosen.get("period") in PERIODS else USUAL
        group = chosen.get("group") if chosen.get("group") in GROUPS else ""
        context = {
            **self.admin_site.each_context(request),
            "title": "Statistics",
            "projects": projects,
            "project": project,
            "periods": [(name, title) for name, (title, _, _) in PERIODS.items()],
            "period": period,
            "groups": GROUPS,
            "group": group,
            **(describe_statistics(project.pk, str(period), str(group)) if project else {}),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "tracking/statistics.html", context)

    def check_view(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request):
            raise PermissionDenied


def describe_statistics(project_id: UUID, period: str, group: str) -> dict[str, Any]:
    """The figures of the page."""
    _, length, step = PERIODS[period]
    now = timezone.now()
    # The present step counts as one of the period's steps.
    given: dict[str, Any] = {"from": now - length + LENGTHS[step], "to": now, "by": step, "limit": 20}
    whole = read_question([project_id], given)
    statistics = count_mail(whole)
    groups = count_groups(read_question([project_id], {**given, "group": group})) if group else []
    return {
        "question": whole,
        "counted_at": statistics.counted_at,
        "total": show_row(statistics.totals[0], is_of_sent=False),
        "steps": describe_steps(whole, statistics),
        "group_rows": describe_groups(group, groups),
    }


def describe_steps(question: StatsRequest, statistics: Statistics) -> list[dict[str, Any]]:
    """The rows of the steps, the newest first."""
    shown = [show_row(row, is_of_sent=False) | {"at": row.at} for row in reversed(statistics.rows)]
    most = max((row["accepted"] for row in shown), default=0) or 1
    return [{**row, "most": most, "has_time": question.step is StatsStep.HOUR} for row in shown]


def describe_groups(group: str, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The largest groups, with templates' names in place of ids."""
    names = {str(row.pk): row.name for row in find_templates(group, rows)}
    return [
        show_row(row, is_of_sent=group in OF_SENT)
        | {"name": "all others" if row.is_other else names.get(row.group or "", row.group)}
        for row in rows
    ]


def find_templates(group: str, rows: Sequence[Row]) -> Sequence[Template]:
    if group != Rollup.Dimension.TEMPLATE:
        return []
    return list(Template.objects.only("name").filter(pk__in=[row.group for row in rows if row.group]))
