"""The search box of the admin's list: reads it for the projects that a user may see, and keeps searches by user."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin

from accounts.models import Project
from messages.models import Message, SavedSearch
from messages.search.finding import Search, read_search
from messages.search.words import Scope

MAX_SAVED = 50
MAX_QUERY = 2_000


class SearchingAdmin(ModelAdmin):  # type: ignore[misc]
    """A model admin of messages with the search box."""

    def read_search(self, request: HttpRequest, text: str) -> Search:
        return read_search(text, Scope(project_ids=self.list_projects(request)))

    def list_projects(self, request: HttpRequest) -> list[Any]:
        """The ids of the projects whose mail this user may see."""
        projects: QuerySet[Project] = self.admin_site.get_model_admin(Project).get_queryset(request)
        return list(projects.values_list("pk", flat=True))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Message], search_term: str
    ) -> tuple[QuerySet[Message], bool]:
        """For the selected rows of an action; the list itself searches by indexes, see `KeysetChangeList`."""
        if not search_term:
            return queryset, False
        search = self.read_search(request, search_term)
        return (queryset.none() if search.problems else queryset.filter(search.q)), False

    def list_saved(self, request: HttpRequest) -> QuerySet[SavedSearch]:
        return SavedSearch.objects.filter(user_id=request.user.pk or 0).order_by("name")

    def list_search_urls(self) -> list[URLPattern]:
        return [
            path("searches/", self.admin_site.admin_view(self.save_search), name="mail_savedsearch_save"),
            path("searches/<uuid:pk>/", self.admin_site.admin_view(self.drop_search), name="mail_savedsearch_drop"),
        ]

    def save_search(self, request: HttpRequest) -> HttpResponse:
        """Keep the given query string under a name; a search with that name is replaced."""
        return require_POST(self._save)(request)

    def _save(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        name, query = request.POST.get("name", "").strip()[:60], request.POST.get("query", "")
        saved = self.list_saved(request)
        if not name or not query or len(query) > MAX_QUERY or "\0" in name + query:
            self.message_user(request, "Give the search a name, and search for something first.", messages.ERROR)
        elif saved.count() >= MAX_SAVED and not saved.filter(name=name).exists():
            self.message_user(request, f"At most {MAX_SAVED} searches can be saved.", messages.ERROR)
        else:
            SavedSearch.objects.update_or_create(user_id=request.user.pk or 0, name=name, defaults={"query": query})
            self.message_user(request, f"The search “{name}” is saved.", messages.SUCCESS)
        return HttpResponseRedirect(f"{reverse('admin:mail_message_changelist')}?{query[:MAX_QUERY]}")

    def drop_search(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Remove a saved search of this user."""
        return require_POST(self._drop)(request, pk)

    def _drop(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        row = self.list_saved(request).filter(pk=pk).first()
        if row is None:
            raise Http404
        row.delete()
        self.message_user(request, f"The search “{row.name}” was removed.", messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:mail_message_changelist"))
