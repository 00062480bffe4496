"""The bases of every view below /api/v1: the caller, strict query and body, one form of `Location`, the audit log.

DRF provides most of it: `GenericViewSet`, its pagination class, filter backend and `get_object`. The exceptions and
their reasons are in docs/decisions/0030-one-api-frame.md.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from http import HTTPStatus
from typing import Any, ClassVar
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist
from django.db import DatabaseError, OperationalError
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.urls import get_script_prefix, reverse
from django.utils.functional import cached_property
from rest_framework.exceptions import ValidationError
from rest_framework.filters import BaseFilterBackend
from rest_framework.generics import get_object_or_404
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from accounts.idempotency import Ticket
from accounts.metering.permits import Permit
from accounts.models import ApiKey, Project
from accounts.permissions import find_action
from accounts.services import store_audit
from common.errors import ApiError, NotFoundError
from common.listening import BODY_IS_AWAITED
from common.middleware import list_stored, set_plain
from common.pagination import KeysetPagination
from common.parsers import read_object, read_optional_object
from common.serializers import NoFields, NoQuery, QuerySerializer, StrictSerializer
from common.validation import join_details, means_nothing, needs_a_field, read_fields

# These methods change an object; an empty body would have no meaning.
WITH_BODY = frozenset({"create", "update", "partial_update", "put_limits", "put_retention"})
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
# The words of the audit log for DRF's actions; other actions are named by themselves.
AUDIT_WORDS = {"update": "change", "partial_update": "change", "destroy": "delete"}


# The methods of routes: of a class, and of the methods that its route names.
_methods: dict[tuple[type[APIView], tuple[str, ...]], list[str]] = {}


class ApiView(APIView):
    """A view for the request's key.

    `queries` and `bodies` name the serializers of query and body: by action in a viewset, otherwise by method in lower
    case. An action that they do not name accepts no parameters and no fields. `located` names the actions that create
    one object and return its `Location`.

    Every request that changes something is recorded in the audit log, as `{action}_{noun}`, but for the actions in
    `unaudited`: these accept mail, which is its own record, change nothing, or call a service that writes the entry.
    """

    queries: ClassVar[Mapping[str, type[QuerySerializer]]] = {}
    bodies: ClassVar[Mapping[str, type[StrictSerializer]]] = {}
    located: ClassVar[frozenset[str]] = frozenset({"create"})
    unaudited: ClassVar[frozenset[str]] = frozenset()
    # The number of messages that an action accepts, from its request: they are taken from the limits before it runs.
    metered: ClassVar[Mapping[str, Callable[[Request], int]]] = {}
    # What the request has taken of the limits of its key.
    permit: Permit | None = None
    # The key of the request, once it is known. Views without keys have none, and no limits of keys.
    key: ApiKey
    is_authenticated = False
    # The name of a plain view's change.
    change_name: ClassVar[str] = ""
    # What the audit log tells of the request: the changed object, and the names of the given fields.
    touched: Model | None = None
    given: Sequence[str] = ()
    is_recorded = False
    # The validated query parameters, once a request has come this far.
    query: dict[str, Any]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if request.method == "OPTIONS":
            # Asks only for the allowed methods: no key is needed.
            return
        super().initial(request, *args, **kwargs)
        if action := self.requested:
            query_class = self.queries.get(action, NoQuery)
            if not request.META.get("QUERY_STRING") and means_nothing(query_class):
                self.query = {}
                return
            try:
                self.query = read_fields(query_class, request.query_params)
            except ValidationError as error:
                raise self.add_body_errors(error) from None

    def add_body_errors(self, error: ValidationError) -> ValidationError:
        """The query's errors together with those of the body, so that the caller sees all of a request at once."""
        if self.request.method not in {"POST", "PUT", "PATCH"}:
            return error
        try:
            self.read_body()
        except ValidationError as other:
            return ValidationError(join_details(error.detail, other.detail))
        except ApiError:
            # A body that cannot be parsed names no field.
            return error
        return error

    def options(self, request: Request, *args: Any, **kwargs: Any) -> Response:  # type: ignore[override]
        """Return the allowed methods in `Allow`."""
        return Response(status=HTTPStatus.NO_CONTENT)

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        """DRF's request, with what it would find in Django's by a search of its own attributes, at each use."""
        made = super().initialize_request(request, *args, **kwargs)
        vars(made).update(META=request.META, method=request.method)
        return made

    @property
    def allowed_methods(self) -> list[str]:
        """As DRF has them, found once for each route."""
        route = type(self), tuple(getattr(self, "action_map", None) or ())
        if route not in _methods:
            _methods[route] = super().allowed_methods
        return _methods[route]

    @cached_property
    def requested(self) -> str:
        """The requested action; "" for a method that the view does not serve."""
        return find_action(self.request, self) or ""

    @property
    def owner_id(self) -> UUID | None:
        """The key's project; None for the installation."""
        return self.key.project_id

    def keep_world(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """The ones among `rows` that the key may see: a test key's are what test keys made.

        A live key's lists leave those out, or hold nothing else with `?test=true`. It reads single ones of both, and
        changes only live ones.
        """
        if self.key.is_test:
            rows = rows.filter(is_test=True)
        if "test" in self.query:
            return rows.filter(is_test=self.query["test"])
        is_single = bool(self.kwargs) and self.request.method in SAFE_METHODS
        return rows if self.key.is_test or is_single else rows.filter(is_test=False)

    @property
    def body_class(self) -> type[StrictSerializer]:
        """The serializer of the request's body."""
        return self.bodies.get(self.requested, NoFields)

    @property
    def is_body_optional(self) -> bool:
        """Whether an empty body counts as `{}`."""
        return self.requested not in WITH_BODY and not needs_a_field(self.body_class)

    def read_body(self) -> dict[str, Any]:
        """The validated fields of the body. ValidationError names every error."""
        data = read_optional_object(self.request) if self.is_body_optional else read_object(self.request)
        self.given = sorted(data)
        return read_fields(self.body_class, data)

    def perform_authentication(self, request: Request) -> None:
        # What `request.user` does at first, without the context in which it wraps errors.
        request._authenticate()  # type: ignore[attr-defined]
        if isinstance(request.auth, ApiKey):
            self.key, self.is_authenticated = request.auth, True

    def check_throttles(self, request: Request) -> None:
        """Take the request, and the messages that it is to send, from the limits of the key and its project.

        A request that may have a stored answer is refused later: see `require_permit`. One whose body is still to be
        read comes here again with it.
        """
        if BODY_IS_AWAITED in request.META or not self.is_authenticated:
            return
        count = self.metered.get(self.requested)
        self.permit = Permit.ask(self.key, count(request) if count else 0)
        if not (count and "HTTP_IDEMPOTENCY_KEY" in request.META):
            self.require_permit()

    def handle_exception(self, exc: Exception) -> Response:
        return super().handle_exception(NotFoundError() if self.has_lost_object(exc) else exc)

    def has_lost_object(self, error: Exception) -> bool:
        """Whether the request failed because another one has deleted its object since it was read.

        Services lock the row, insert rows that belong to it, or update it; without it each of these fails otherwise.
        """
        is_such = isinstance(error, (ObjectDoesNotExist, DatabaseError)) and not isinstance(error, OperationalError)
        # An object that this request has deleted has no key any more.
        if not is_such or self.touched is None or self.touched.pk is None:
            return False
        return not type(self.touched)._base_manager.filter(pk=self.touched.pk).exists()

    def require_permit(self) -> None:
        """Raise the error of a request that is beyond its limits and has no stored answer."""
        if self.permit and self.permit.error:
            raise self.permit.error

    def settle_permit(self, response: HttpResponseBase, *, is_in_vain: bool) -> None:
        """Give back what a request took that was refused or repeated (`is_in_vain`), and tell the limits."""
        if self.permit is None and self.is_authenticated:
            self.permit = Permit.ask(self.key)
        if self.permit is not None:
            if is_in_vain:
                self.permit.settle(0)
            set_plain(response, self.permit.headers)

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        is_in_vain = response.status_code >= HTTPStatus.BAD_REQUEST or "idempotency-replayed" in list_stored(response)
        self.settle_permit(response, is_in_vain=is_in_vain)
        if not is_in_vain:
            self.record_change(response)
        if "Allow" in self.headers:
            set_plain(response, {"Allow": self.headers.pop("Allow")})
        # Mail and its recipients must not stay in a cache on the way, or in a browser's.
        list_stored(response).setdefault("cache-control", ("Cache-Control", "no-store"))
        return super().finalize_response(request, response, *args, **kwargs)

    def record_change(self, response: Response) -> None:
        """Write the request's entry of the audit log, once: a repeatable POST calls this in its transaction."""
        action = self.requested
        if self.is_recorded or self.request.method in SAFE or not action or action in self.unaudited:
            return
        self.is_recorded = True
        details: dict[str, object] = {"fields": self.given} if self.given else {}
        if self.touched is not None:
            details["id"] = str(self.touched.pk)
        project_id = getattr(self.touched, "project_id", None) or self.owner_id
        store_audit(
            actor=self.key.prefix,
            action=self.name_change(action),
            obj=self.name_object(),
            project_id=project_id,
            data=details,
        )

    def name_change(self, action: str) -> str:
        """The word of the audit log: `create_domain`, `change_webhook`, `cancel_email`."""
        noun = getattr(self, "basename", "").rpartition("-")[2].removeprefix("managed_")
        return self.change_name or f"{AUDIT_WORDS.get(action, action)}_{noun}"

    def name_object(self) -> object:
        """What was changed: as people name it, else its id, else the words of the path."""
        if self.touched is None:
            return "/".join(str(value) for value in self.kwargs.values())
        return self.touched if type(self.touched).__str__ is not Model.__str__ else self.touched.pk


class ProjectView(ApiView):
    """A view for the project of the request's key. A key of the installation, which has no scope for it, gets 403."""

    # The request's idempotency key, in views that accept mail. A key within the body replaces a missing header.
    ticket: Ticket | None = None

    @property
    def project(self) -> Project:
        return self.key.owner


class QueryFilter(BaseFilterBackend):
    """Filters a list by the query's parameters, as the view's table `filters` defines."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: Any) -> QuerySet[Any]:
        for name, condition in view.filters.items():
            if name in view.query:
                queryset = queryset.filter(condition(view.query[name]))
        return queryset


class ApiViewSet(ApiView, GenericViewSet[Any]):
    """A resource. `answers` names the serializers of actions whose response differs from the default."""

    pagination_class = KeysetPagination
    filter_backends: tuple[type[BaseFilterBackend], ...] = (QueryFilter,)
    filters: ClassVar[Mapping[str, Callable[[Any], Q]]] = {}
    answers: ClassVar[Mapping[str, type[BaseSerializer[Any]]]] = {}

    def get_serializer_class(self) -> type[BaseSerializer[Any]]:
        return self.answers.get(self.action or "", self.serializer_class)  # type: ignore[arg-type]  # all have one

    def get_object(self) -> Any:
        """The object in the path; 404 if it does not exist or belongs to another project.

        DRF's own method would also apply the query's filters, which are meant for the list below the object.
        """
        found = get_object_or_404(self.get_queryset(), **{self.lookup_field: self.kwargs[self.lookup_field]})
        self.touched = found
        return found

    def list_rows(self, rows: QuerySet[Any]) -> Response:
        """A page of `rows`."""
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    def show(self, row: Model, status: int = HTTPStatus.OK) -> Response:
        """One object."""
        self.touched = row
        return Response(self.get_serializer(row).data, status=status)

    def created(self, row: Model, status: int = HTTPStatus.CREATED) -> Response:
        """201 with the new object and its `Location`."""
        response = self.show(row, status)
        response["Location"] = locate(f"{self.basename}-detail", row.pk)
        return response


class ProjectViewSet(ProjectView, ApiViewSet):
    """A resource of the key's project."""


# Stands for an id in a path.
ANY_ID = UUID(int=0)


def locate(name: str, *refs: object) -> str:
    """The absolute URL of the object at the route `name`."""
    if len(refs) == 1 and isinstance(refs[0], UUID):
        path = find_path(name, get_script_prefix()).replace(str(ANY_ID), str(refs[0]))
        return f"{settings.PUBLIC_URL}{path}"
    return f"{settings.PUBLIC_URL}{reverse(name, args=refs)}"


@lru_cache(maxsize=100)
def find_path(name: str, _prefix: str) -> str:
    """The path of a route with one id, which is ANY_ID here: Django looks for a route anew each time."""
    return reverse(name, args=[ANY_ID])
