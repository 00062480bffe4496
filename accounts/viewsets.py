"""What every view below /api/v1 shares: the caller's project, a strict query, a strict body, one form of `Location`.

DRF's own means carry most of it: `GenericViewSet`, its pagination class, filter backend and `get_object`. What they
cannot carry, and why, is in docs/decisions/0030-one-api-frame.md.
"""

from collections.abc import Callable, Mapping
from functools import cache
from http import HTTPStatus
from typing import Any, ClassVar

from django.conf import settings
from django.db.models import Model, Q, QuerySet
from django.urls import reverse
from rest_framework.filters import BaseFilterBackend
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from accounts.models import ApiKey, Project
from accounts.permissions import find_action
from common.pagination import KeysetPagination
from common.parsers import read_object, read_optional_object
from common.serializers import NoFields, NoQuery, QuerySerializer, StrictSerializer

# They say what becomes of an object; an empty body would say nothing.
WITH_BODY = frozenset({"create", "partial_update"})


def read_fields(serializer_class: type[StrictSerializer], data: object) -> dict[str, Any]:
    """`data` as the serializer's fields; ValidationError names all that is wrong."""
    return dict(serializer_class().run_validation(data))


@cache
def needs_a_field(serializer_class: type[StrictSerializer]) -> bool:
    """Whether `{}` would be refused."""
    return any(field.required for field in serializer_class().fields.values())


class ProjectView(APIView):
    """A view for the project whose key the request has.

    `queries` and `bodies` name the serializers of what may be sent: by action in a viewset, else by method in lower
    case. What they do not name takes no parameter and no field. `located` names those that make one thing and say where
    it is.
    """

    queries: ClassVar[Mapping[str, type[QuerySerializer]]] = {}
    bodies: ClassVar[Mapping[str, type[StrictSerializer]]] = {}
    located: ClassVar[frozenset[str]] = frozenset({"create"})
    # The query's parameters, checked, once a request has come this far.
    query: dict[str, Any]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if request.method == "OPTIONS":
            # Asks only what there is: no key is needed.
            return
        super().initial(request, *args, **kwargs)
        if action := find_action(request, self):
            self.query = read_fields(self.queries.get(action, NoQuery), request.query_params)

    def options(self, request: Request, *args: Any, **kwargs: Any) -> Response:  # type: ignore[override]
        """Which methods there are, in `Allow`."""
        return Response(status=HTTPStatus.NO_CONTENT)

    @property
    def key(self) -> ApiKey:
        assert isinstance(self.request.auth, ApiKey)
        return self.request.auth

    @property
    def project(self) -> Project:
        return self.key.project

    @property
    def body_class(self) -> type[StrictSerializer]:
        """What the request's body may hold."""
        return self.bodies.get(find_action(self.request, self) or "", NoFields)

    @property
    def is_body_optional(self) -> bool:
        """Whether no body at all is as good as `{}`."""
        return find_action(self.request, self) not in WITH_BODY and not needs_a_field(self.body_class)

    def read_body(self) -> dict[str, Any]:
        """The body's fields, checked. ValidationError names all that is wrong."""
        data = read_optional_object(self.request) if self.is_body_optional else read_object(self.request)
        return read_fields(self.body_class, data)


class QueryFilter(BaseFilterBackend):
    """Narrows a list by the query's parameters, each as the view's table `filters` says."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: Any) -> QuerySet[Any]:
        for name, condition in view.filters.items():
            if name in view.query:
                queryset = queryset.filter(condition(view.query[name]))
        return queryset


class ProjectViewSet(ProjectView, GenericViewSet[Any]):
    """A resource of the project. `answers` names the serializers of actions that do not answer as the others do."""

    pagination_class = KeysetPagination
    filter_backends: tuple[type[BaseFilterBackend], ...] = (QueryFilter,)
    filters: ClassVar[Mapping[str, Callable[[Any], Q]]] = {}
    answers: ClassVar[Mapping[str, type[BaseSerializer[Any]]]] = {}

    def get_serializer_class(self) -> type[BaseSerializer[Any]]:
        return self.answers.get(self.action or "", self.serializer_class)  # type: ignore[arg-type]  # all have one

    def get_object(self) -> Any:
        """The object that the path names; 404 for another project's as for none.

        DRF's own would narrow by the query too, which is about the list below the object where there is one.
        """
        return get_object_or_404(self.get_queryset(), **{self.lookup_field: self.kwargs[self.lookup_field]})

    def list_rows(self, rows: QuerySet[Any]) -> Response:
        """A page of `rows`."""
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    def show(self, row: Model, status: int = HTTPStatus.OK) -> Response:
        """One object."""
        return Response(self.get_serializer(row).data, status=status)

    def created(self, row: Model, status: int = HTTPStatus.CREATED) -> Response:
        """A new object, and where it is."""
        response = self.show(row, status)
        response["Location"] = locate(f"{self.basename}-detail", row.pk)
        return response


def locate(name: str, ref: object) -> str:
    """The absolute URL of the object that the route `name` shows."""
    return f"{settings.PUBLIC_URL}{reverse(name, args=[ref])}"
