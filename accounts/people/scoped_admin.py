"""The base of the admin's pages of a project's rows: a person sees and changes rows of the projects of their roles.

Rows of other projects do not exist for them: 404, also where a list is filtered by one. `project_path` leads from a row
to its project, `""` if the row is the project. The permission of an action that is none of Django's four is named in
`action_permissions`, for example `{"act": "mail.act_message"}`.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, NoReturn
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import unquote
from django.contrib.auth import get_permission_codename
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponseBase
from unfold.contrib.filters.admin import RelatedDropdownFilter

from accounts.models import Project
from accounts.people.reach import EVERYWHERE, Reach, find_reach, has_projects


class ScopedAdmin:
    """A mixin before `ModelAdmin`."""

    project_path: ClassVar[str] = "project"
    action_permissions: ClassVar[Mapping[str, str]] = {}
    opts: Any
    admin_site: AdminSite
    message_user: Callable[..., None]

    def name_permission(self, verb: str) -> str:
        """`"view"` → `"domains.view_domain"`; a name in `action_permissions` → its permission."""
        named = self.action_permissions.get(verb)
        return named or f"{self.opts.app_label}.{get_permission_codename(verb, self.opts)}"

    def find_reach(self, request: HttpRequest, verb: str) -> Reach:
        """Where the user may do this; whoever may change a row may view it."""
        verbs = (verb, "change") if verb == "view" else (verb,)
        return find_reach(request.user, *(self.name_permission(each) for each in verbs))

    def is_allowed(self, request: HttpRequest, verb: str, obj: Any = None) -> bool:
        """Whether the user may do this with the row; without one, with any row."""
        reach = self.find_reach(request, verb)
        return bool(reach) if obj is None else reach.admits(self.find_project_id(obj))

    def find_project_id(self, obj: Any) -> UUID | None:
        if not self.project_path:
            return UUID(str(obj.pk))
        *steps, last = self.project_path.split("__")
        for step in steps:
            obj = getattr(obj, step)
        found: UUID | None = getattr(obj, f"{last}_id")
        return found

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.is_allowed(request, "view")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.is_allowed(request, "view", obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.is_allowed(request, "add")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.is_allowed(request, "change", obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.is_allowed(request, "delete", obj)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)  # type: ignore[misc]
        return self.find_reach(request, "view").limit(rows, self.project_path or "pk")

    def _get_obj_does_not_exist_redirect(self, *_: object) -> NoReturn:
        """Django would redirect to the first page."""
        raise Http404

    def require_row(self, request: HttpRequest, object_id: str | None) -> None:
        """Raise Http404 for a row that a person of some projects may not see: Django would tell of a missing permission
        before it looks for the row. Others, whose permissions hold everywhere, get that answer.
        """
        if object_id is None:
            return
        if not has_projects(request.user):
            if not self.has_view_permission(request):
                raise PermissionDenied
        elif self.get_object(request, unquote(str(object_id))) is None:  # type: ignore[attr-defined]
            raise Http404

    def _changeform_view(self, request: HttpRequest, object_id: str | None, *args: Any) -> Any:
        self.require_row(request, object_id)
        return super()._changeform_view(request, object_id, *args)  # type: ignore[misc]

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None) -> Any:
        self.require_row(request, object_id)
        return super().delete_view(request, object_id, extra_context)  # type: ignore[misc]

    def history_view(self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None) -> Any:
        self.require_row(request, object_id)
        return super().history_view(request, object_id, extra_context)  # type: ignore[misc]

    def get_field_queryset(self, db: str | None, db_field: Any, request: HttpRequest) -> QuerySet[Any] | None:
        """The choices of a foreign key: the rows that the user may see; of projects, those that they may write to."""
        model = db_field.remote_field.model
        if model is Project:
            return self.find_written(request).limit(Project.objects.all(), "pk")
        related = self.admin_site._registry.get(model)
        if isinstance(related, ScopedAdmin):
            return related.get_queryset(request)
        found: QuerySet[Any] | None = super().get_field_queryset(db, db_field, request)  # type: ignore[misc]
        return found

    def find_written(self, request: HttpRequest) -> Reach:
        return self.find_reach(request, "add") | self.find_reach(request, "change")

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any) -> Any:
        """A form in which rows without a project are only for people whose permission holds everywhere."""
        form = super().get_form(request, obj, change, **options)  # type: ignore[misc]
        if self.find_written(request).is_everywhere:
            return form
        return type(form)(form.__name__, (_NeedsProject, form), {})

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        path = self.project_path or "id"
        names = {path, f"{path}__exact", f"{path}__id", f"{path}__id__exact", f"{path}__pk", f"{path}__pk__exact"}
        hide_others(self.find_reach(request, "view"), (request.GET[name] for name in names & request.GET.keys()))
        return super().changelist_view(request, extra_context)  # type: ignore[misc]

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponseBase | None:
        """Django asks whether an action is allowed for any row; here also for the projects of the chosen ones."""
        refused = self.find_refused(request, queryset)
        if refused:
            names = ", ".join(
                Project.objects.filter(pk__in=[each for each in refused if each]).values_list("name", flat=True)
            )
            self.message_user(request, f"Your role does not allow this in {names}.", messages.ERROR)
            return None
        response: HttpResponseBase | None = super().response_action(request, queryset)  # type: ignore[misc]
        return response

    def find_refused(self, request: HttpRequest, queryset: QuerySet[Any]) -> set[UUID | None]:
        """The projects among the chosen rows in which the user may not do the chosen action."""
        chosen = [found for name in request.POST.getlist("action") if (found := self._find_action(request, name))]
        verbs = {verb for action in chosen for verb in getattr(action, "allowed_permissions", ())}
        reaches = [reach for verb in verbs if not (reach := self.find_reach(request, verb)).is_everywhere]
        if not reaches:
            return set()
        if request.POST.get("select_across", "0") in {"", "0"}:
            queryset = queryset.filter(pk__in=request.POST.getlist(ACTION_CHECKBOX_NAME))
        projects = set(queryset.order_by().values_list(self.project_path or "pk", flat=True).distinct())
        return {each for each in projects if not all(reach.admits(each) for reach in reaches)}

    def _find_action(self, request: HttpRequest, name: str) -> Any:
        found = self.get_actions(request).get(name)  # type: ignore[attr-defined]
        return found and found[0]


class _NeedsProject:
    """Before a form: a project must be chosen, although others may leave it out."""

    fields: dict[str, Any]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if isinstance(field := self.fields.get("project"), forms.ModelChoiceField):
            field.required = True


class ScopedFilter(RelatedDropdownFilter):  # type: ignore[misc]
    """A filter of a list by a related row, of those that the user may see."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> list[tuple[Any, str]]:
        related = model_admin.admin_site._registry.get(field.remote_field.model)
        if isinstance(related, ScopedAdmin) and not related.find_reach(request, "view").is_everywhere:
            rows = related.get_queryset(request)
            return [(row.pk, str(row)) for row in rows.order_by(*related.get_ordering(request))]  # type: ignore[attr-defined]
        found: list[tuple[Any, str]] = super().field_choices(field, request, model_admin)
        return found


def limit_project_field(form: forms.BaseForm, reach: Reach) -> None:
    """Limit a form's field `project` to these projects; all projects together are only for those who see all."""
    if reach.is_everywhere:
        return
    field = form.fields["project"]
    assert isinstance(field, forms.ModelChoiceField)
    field.queryset = reach.limit(Project.objects.all(), "pk")
    field.required, field.empty_label = True, None
    hide_others(reach, [form.data.get("project", "")])


def hide_others(reach: Reach, given: Iterable[str]) -> None:
    """Raise Http404 if one of the given ids is that of a project outside `reach`, known or not."""
    if reach is EVERYWHERE:
        return
    for text in given:
        try:
            is_hidden = bool(text) and not reach.admits(UUID(text))
        except ValueError:
            continue
        if is_hidden:
            raise Http404
