"""A system check: every route needs a scope, so that a missing one stops the start instead of failing a caller."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, register
from django.urls import URLPattern, URLResolver, get_resolver

from accounts import scopes
from accounts.permissions import HasScope, declared_scopes


@register(Tags.urls)
def check_scopes(**_: object) -> list[CheckMessage]:
    """An error for each view under `HasScope` that declares no known scope for one of its actions."""
    return [
        Error(f"{name} declares no known scope for {action!r}.", id="accounts.E001")
        for name, action in find_undeclared(get_resolver().url_patterns)
    ]


def find_undeclared(patterns: Sequence[URLPattern | URLResolver]) -> Iterator[tuple[str, str]]:
    """Each (view, action or method) without a known scope in `patterns`, nested patterns included."""
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from find_undeclared(pattern.url_patterns)
        else:
            yield from find_undeclared_actions(pattern.callback)


def find_undeclared_actions(callback: Any) -> Iterator[tuple[str, str]]:
    view = getattr(callback, "cls", None)
    if view is None or HasScope not in getattr(callback, "initkwargs", {}).get(
        "permission_classes", view.permission_classes
    ):
        return
    actions = getattr(callback, "actions", None)
    served = actions.values() if actions else (name for name in view.http_method_names if hasattr(view, name))
    for action in set(served) - {"options", "head"}:
        if declared_scopes(view).get(action) not in {*scopes.KNOWN, scopes.NO_SCOPE}:
            yield f"{view.__module__}.{view.__name__}", action
