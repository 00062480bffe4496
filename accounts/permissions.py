"""The scope that each view needs."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING

from django.core.exceptions import ImproperlyConfigured
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts import scopes
from accounts.models import ApiKey
from common.errors import ApiError

if TYPE_CHECKING:
    # DRF's views import their default permissions, which are in this module.
    from rest_framework.views import APIView


class MissingScopeError(ApiError):
    """The API key lacks the scope {scope}."""

    code = "missing_scope"
    status = HTTPStatus.FORBIDDEN


class TestKeyError(ApiError):
    """A test key cannot do this: it changes only what test keys have made. Use a live key."""

    # Not a test case, whatever its name says to pytest.
    __test__ = False
    code = "test_key"
    status = HTTPStatus.FORBIDDEN


class HasScope(BasePermission):
    """Admits keys that have the scope which the view declares, and test keys only where the scope is for them.

    A viewset declares `scopes = {"create": "emails:send", "list": "emails:read"}` by action, a plain view by method in
    lower case; `NO_SCOPE` where any key will do. An undeclared action raises an error of ours. `is_for_test_keys` marks
    a view that changes nothing of the project in spite of its scope.
    """

    def has_permission(self, request: Request, view: "APIView") -> bool:
        action = find_action(request, view)
        if action is None:
            return True
        scope = declared_scopes(view).get(action)
        if scope is None:
            raise ImproperlyConfigured(f"{type(view).__name__} declares no scope for {action}")
        if scope != scopes.NO_SCOPE:
            require_scope(request, scope)
        if scope in scopes.NOT_FOR_TEST_KEYS and not getattr(view, "is_for_test_keys", False):
            refuse_test_key(request)
        return True


def require_scope(request: Request, scope: str) -> None:
    """Raises `MissingScopeError` if the request's key lacks the scope: for a scope needed beside the declared one."""
    key = request.auth
    if not (isinstance(key, ApiKey) and key.has_scope(scope)):
        raise MissingScopeError(scope=scope)


def refuse_test_key(request: Request) -> None:
    """Raises `TestKeyError` for a test key."""
    if isinstance(request.auth, ApiKey) and request.auth.is_test:
        raise TestKeyError


def find_action(request: Request, view: "APIView") -> str | None:
    """The requested action; None for a method that the view does not serve, which gets 405."""
    method = (request.method or "").lower()
    if method == "options" or not hasattr(view, method):
        return None
    if hasattr(view, "action_map"):
        action: str | None = getattr(view, "action", None)
        return action
    return "get" if method == "head" else method


def declared_scopes(view: "APIView | type[APIView]") -> Mapping[str, str]:
    """The view's table of scopes; empty if it has none."""
    table: Mapping[str, str] = getattr(view, "scopes", {})
    return table
