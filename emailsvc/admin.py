"""The admin's pages for models of other packages: users, periodic tasks, failed logins."""

from typing import Any, ClassVar

from axes.models import AccessAttempt
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import QuerySet
from django.http import HttpRequest
from django_celery_beat import admin as beat
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)
from unfold.admin import ModelAdmin, TabularInline
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.paginator import InfinitePaginator
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from accounts.people.sessions import end_sessions
from accounts.services import write_audit
from emailsvc.admin_site.labels import spell_labels

for model in (User, Group, PeriodicTask, IntervalSchedule, CrontabSchedule, ClockedSchedule, SolarSchedule):
    admin.site.unregister(model)


class AuditedAdmin:
    """Records changes in the audit log, at the places where Django writes a log of its own."""

    opts: Any

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        self.record(request, "create", obj)
        return super().log_addition(request, obj, message)  # type: ignore[misc]

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        fields = [
            name for part in message if isinstance(part, dict) for name in part.get("changed", {}).get("fields", ())
        ]
        self.record(request, "change", obj, fields=fields)
        return super().log_change(request, obj, message)  # type: ignore[misc]

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        for obj in queryset:
            self.record(request, "delete", obj)
        return super().log_deletions(request, queryset)  # type: ignore[misc]

    def record(self, request: HttpRequest, word: str, obj: Any, **data: object) -> None:
        write_audit(request.user.get_username(), f"{word}_{self.opts.model_name}", obj, id=str(obj.pk), **data)


spell_labels()
admin.site.index_template, admin.site.index_title = "emailsvc/dashboard.html", "Overview"


@admin.register(User)
class UserAdmin(AuditedAdmin, DjangoUserAdmin, ModelAdmin):  # type: ignore[misc,type-arg]
    """Users of the admin."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    actions = ("end_sessions",)
    list_display = ("username", "email", "roles", "is_active", "last_login")

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).prefetch_related("memberships__project")

    @admin.display(description="Roles")
    def roles(self, user: User) -> str:
        """`owner`, `support in Shop`."""
        told = [f"{each.role} in {each.project}" if each.project else each.role for each in user.memberships.all()]
        return ", ".join(["superuser"] * user.is_superuser + told)

    @admin.action(description="End their sessions", permissions=["change"])
    def end_sessions(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        for user in queryset:
            count = end_sessions(user.pk)
            self.record(request, "end_sessions_of", user, count=count)
            self.message_user(request, f"{user}: {count} session{'s' if count != 1 else ''} ended.", messages.SUCCESS)


@admin.register(Group)
class GroupAdmin(AuditedAdmin, DjangoGroupAdmin, ModelAdmin):  # type: ignore[misc]
    """Groups of users and their permissions."""


class TaskSelectWidget(UnfoldAdminSelectWidget, beat.TaskSelectWidget):  # type: ignore[misc]
    """Offers the tasks that are registered with Celery."""


class PeriodicTaskForm(beat.PeriodicTaskForm):  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["task"].widget = UnfoldAdminTextInputWidget()
        self.fields["regtask"].widget = TaskSelectWidget()


@admin.register(PeriodicTask)
class PeriodicTaskAdmin(AuditedAdmin, beat.PeriodicTaskAdmin, ModelAdmin):  # type: ignore[misc]
    """Periodic tasks: their schedule and their last run."""

    form = PeriodicTaskForm
    list_display = ("name", "is_on", "scheduler", "last_run_at", "total_run_count")
    list_filter = ("enabled",)
    date_hierarchy = None
    ordering = ("name",)
    # The package's own template has an inline script.
    change_form_template = None

    @admin.display(description="Enabled", boolean=True)
    def is_on(self, task: PeriodicTask) -> bool:
        return bool(task.enabled)


class TaskInline(TabularInline):  # type: ignore[misc]
    """Tasks with a fixed start time."""

    model = PeriodicTask
    fields = ("name", "task", "enabled")
    readonly_fields = fields
    can_delete = False
    extra = 0
    show_change_link = True

    def has_add_permission(self, *_: object) -> bool:
        return False


@admin.register(IntervalSchedule, CrontabSchedule, ClockedSchedule, SolarSchedule)
class ScheduleAdmin(AuditedAdmin, ModelAdmin):  # type: ignore[misc]
    """Schedules of periodic tasks."""

    inlines = (TaskInline,)


@admin.register(AccessAttempt)
class AccessAttemptAdmin(AuditedAdmin, ModelAdmin):  # type: ignore[misc]
    """Failed logins. Deleting the rows of an address or of an account unlocks it."""

    list_display = ("attempt_time", "username", "ip_address", "failures_since_start", "user_agent")
    search_fields = ("username", "ip_address")
    search_help_text = "User name or IP address"
    show_full_result_count = False
    paginator = InfinitePaginator
    fields: ClassVar = ("attempt_time", "username", "ip_address", "failures_since_start", "user_agent", "path_info")
    readonly_fields = fields

    def has_add_permission(self, _request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: AccessAttempt | None = None) -> bool:
        return False
