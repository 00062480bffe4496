"""Which scope each view needs."""

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
    # DRF's views import their default permissions, that is this module.
    from rest_framework.views import APIView


class MissingScopeError(ApiError):
    """This needs the scope {scope}, which the API key does not have."""

    code = "missing_scope"
    status = HTTPStatus.FORBIDDEN


class HasScope(BasePermission):
    """Admits keys with the scope that the view declares.

    A viewset declares `scopes = {"create": "emails:send", "list": "emails:read"}` by action, a plain view by method in
    lower case; `NO_SCOPE` where any key will do. What is not declared is refused loudly, as an error of ours.
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
        return True


def require_scope(request: Request, scope: str) -> None:
    """`MissingScopeError` when the request's key lacks it: for what a view needs beside the scope that it declares."""
    key = request.auth
    if not (isinstance(key, ApiKey) and key.has_scope(scope)):
        raise MissingScopeError(scope=scope)


def find_action(request: Request, view: "APIView") -> str | None:
    """What is asked for; None for a method that the view does not serve, which is to be answered by 405."""
    method = (request.method or "").lower()
    if method == "options" or not hasattr(view, method):
        return None
    if hasattr(view, "action_map"):
        action: str | None = getattr(view, "action", None)
        return action
    return "get" if method == "head" else method


def declared_scopes(view: "APIView | type[APIView]") -> Mapping[str, str]:
    """The view's table of scopes; empty when it has none."""
    table: Mapping[str, str] = getattr(view, "scopes", {})
    return table
