"""Projects, their keys, notices, and the audit log."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin
from unfold.paginator import InfinitePaginator

from accounts.admin_forms import NewKeyForm, ProjectForm
from accounts.lifetimes import admin as retention_admin  # noqa: F401  Django's admin looks for accounts.admin alone
from accounts.lifetimes.closing import close_project
from accounts.metering import admin as limits_admin  # noqa: F401  Django's admin looks for accounts.admin alone
from accounts.models import ApiKey, AuditEntry, Notice, Project, RequestEntry
from accounts.people import admin as people_admin  # noqa: F401
from accounts.people.scoped_admin import ScopedAdmin, ScopedFilter
from accounts.services import add_sending_cap, create_api_key, revoke_api_key, write_audit
from accounts.streams import add_default_stream

# The settings of a project that only people of the whole installation change.
OF_INSTALLATION = (
    *("allowed_headers", "turn_weight", "may_send_critical"),
    *("guard_bounce_percent", "guard_complaint_percent"),
)


@admin.register(Project)
class ProjectAdmin(ScopedAdmin, ModelAdmin):  # type: ignore[misc]
    """Tenants. One that is closed is deleted after its days of grace, with its mail, keys and domains."""

    project_path = ""
    form = ProjectForm
    list_display = ("name", "overview", "contact_email", "default_from", "created_at", "closed_at")
    search_fields = ("name", "contact_email")
    actions = ("close_selected",)

    @admin.display(description="Overview")
    def overview(self, project: Project) -> str:
        return format_html('<a class="text-link" href="{}?project={}">Overview</a>', reverse("admin:index"), project.pk)

    def has_delete_permission(self, _request: HttpRequest, _obj: Project | None = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, _obj: Project | None = None) -> tuple[str, ...]:
        """What protects projects from each other is not for people of one project."""
        own = () if self.find_reach(request, "change").is_everywhere else OF_INSTALLATION
        return ("closed_at", *own)

    def has_close_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("accounts.delete_project")

    @admin.action(description="Close: revoke keys, end mail, and delete all after 30 days", permissions=["close"])
    def close_selected(self, request: HttpRequest, queryset: QuerySet[Project]) -> None:
        for project in queryset:
            row = close_project(request.user.get_username(), project)
            text = f"{row.project_name} is closed, and will be deleted on {row.delete_at:%Y-%m-%d}."
            self.message_user(request, text, messages.SUCCESS)

    def save_model(self, request: HttpRequest, obj: Project, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if not change:
            add_default_stream(obj)
            add_sending_cap(obj)
        action = "change_project" if change else "create_project"
        write_audit(request.user.get_username(), action, obj, id=str(obj.pk))


# The colour of each key state, in unfold's names for labels.
STATES = {"live": "success", "test": "info", "expired": "warning", "revoked": "danger"}


@admin.register(ApiKey)
class ApiKeyAdmin(ScopedAdmin, ModelAdmin):  # type: ignore[misc]
    """Keys are created and revoked here, never changed. A key's text is shown once, when it is created."""

    list_display = ("name_or_prefix", "project", "state", "may", "last_used_at", "created_at")
    list_filter = (("project", ScopedFilter), "is_test")
    list_select_related = ("project",)
    search_fields = ("name", "prefix")
    search_help_text = "Name or prefix"
    ordering = ("-id",)
    readonly_fields = (
        *("project", "name", "prefix", "is_test", "scopes", "allowed_ips", "allowed_recipients"),
        *("hold_for_approval", "expires_at", "last_used_at", "revoked_at", "created_at"),
    )
    change_form_outer_before_template = "accounts/revoke.html"

    class Media:
        css = {"all": ["accounts/admin.css"]}

    @admin.display(description="Key")
    def name_or_prefix(self, key: ApiKey) -> str:
        return str(key)

    @admin.display(description="State")
    def state(self, key: ApiKey) -> str:
        state = "test" if key.is_test else "live"
        if key.revoked_at:
            state = "revoked"
        elif key.has_expired(timezone.now()):
            state = "expired"
        return format_html('<span class="key-state key-{}">{}</span>', STATES[state], state)

    @admin.display(description="Scopes")
    def may(self, key: ApiKey) -> str:
        shown = ", ".join(key.scopes[:2])
        return f"{shown} +{len(key.scopes) - 2}" if len(key.scopes) > 2 else shown or "none"

    def has_change_permission(self, _request: HttpRequest, _obj: ApiKey | None = None) -> bool:
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: ApiKey | None = None) -> bool:
        return False

    def has_revoke_permission(self, request: HttpRequest, key: ApiKey) -> bool:
        """The permission to create keys includes that to revoke them."""
        return self.is_allowed(request, "add", key)

    def get_readonly_fields(self, _request: HttpRequest, obj: ApiKey | None = None) -> tuple[str, ...]:
        return self.readonly_fields if obj else ()

    def get_fields(self, _request: HttpRequest, obj: ApiKey | None = None) -> tuple[str, ...]:
        return self.readonly_fields if obj else tuple(NewKeyForm.Meta.fields)

    def get_form(
        self, request: HttpRequest, obj: ApiKey | None = None, change: bool = False, **options: Any
    ) -> "type[ModelForm[ApiKey]]":
        if obj is None:
            options["form"] = NewKeyForm
        form: type[ModelForm[ApiKey]] = super().get_form(request, obj, change, **options)
        return form

    def save_model(self, request: HttpRequest, obj: ApiKey, form: NewKeyForm, _change: bool) -> None:
        values = form.cleaned_data
        made, token = create_api_key(values.pop("project"), **values)
        obj.__dict__.update(made.__dict__)
        # Only for the response to this request: the text is stored nowhere.
        obj.shown_token = token  # type: ignore[attr-defined]
        write_audit(request.user.get_username(), "create_api_key", made, id=str(made.pk), scopes=made.scopes)

    def response_add(self, request: HttpRequest, obj: ApiKey, _post_url: str | None = None) -> HttpResponse:
        """Show the key's text in this response: a redirect would need a place to store it."""
        context = {
            **self.admin_site.each_context(request),
            "title": "The new API key",
            "opts": self.opts,
            "media": self.media,
            "key": obj,
            "token": vars(obj)["shown_token"],
        }
        return TemplateResponse(request, "accounts/new_key.html", context)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        key: ApiKey | None = kwargs.get("obj")
        # The key is shown once, so "save and continue" is not offered.
        context |= {"show_save_and_add_another": False, "show_save_and_continue": False}
        context["may_revoke"] = key is not None and not key.revoked_at and self.has_revoke_permission(request, key)
        response: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return response

    def get_urls(self) -> list[URLPattern]:
        view: Callable[..., HttpResponse] = self.admin_site.admin_view(require_POST(self.revoke))
        return [path("<uuid:pk>/revoke/", view, name="accounts_apikey_revoke"), *super().get_urls()]

    def revoke(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        self.require_row(request, str(pk))
        key = self.get_queryset(request).filter(pk=pk).first()
        if key is None:
            raise Http404
        if not self.has_revoke_permission(request, key):
            raise PermissionDenied
        revoked = revoke_api_key(key)
        write_audit(request.user.get_username(), "revoke_api_key", revoked, id=str(revoked.pk))
        self.message_user(request, f"{revoked} is revoked.", messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:accounts_apikey_change", args=[pk]))


class LogAdmin(ScopedAdmin, ModelAdmin):  # type: ignore[misc]
    """Rows that only the service writes, and that are never counted."""

    paginator = InfinitePaginator
    show_full_result_count = False
    ordering = ("-id",)

    def has_add_permission(self, _request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        return False


@admin.register(AuditEntry)
class AuditEntryAdmin(LogAdmin):
    """Records of users' and keys' actions."""

    list_display = ("at", "actor", "action", "object", "origin", "reason")
    search_fields = ("object__exact", "actor__exact")
    search_help_text = "The exact object or actor"


@admin.register(RequestEntry)
class RequestEntryAdmin(LogAdmin):
    """Requests with API keys, of the last 30 days: what was asked and how it ended."""

    list_display = ("at", "project", "method", "route", "status", "code", "duration_ms", "key_prefix", "origin")
    list_filter = (("project", ScopedFilter), "is_test")
    list_select_related = ("project",)
    search_fields = ("request_id__exact", "key_prefix__exact", "code__exact")
    search_help_text = "The exact X-Request-Id, key prefix or code"


@admin.register(Notice)
class NoticeAdmin(LogAdmin):
    """Notices to a project's contact or to the operator."""

    list_display = ("created_at", "kind", "text", "project", "is_read")
    list_filter = (("project", ScopedFilter),)
    list_select_related = ("project",)
    actions = ("mark_read",)
    action_permissions = {"read": "accounts.change_notice"}

    @admin.display(description="Read", boolean=True)
    def is_read(self, notice: Notice) -> bool:
        return notice.read_at is not None

    def has_read_permission(self, request: HttpRequest) -> bool:
        return self.is_allowed(request, "read")

    @admin.action(description="Mark as read", permissions=["read"])
    def mark_read(self, request: HttpRequest, queryset: QuerySet[Notice]) -> None:
        count = queryset.filter(read_at=None).update(read_at=timezone.now())
        write_audit(request.user.get_username(), "read_notices", f"{count} notices")
        self.message_user(request, f"{count} marked as read.", messages.SUCCESS)
