"""A change and its entry of the audit log are stored together, or neither is."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection
from django.urls import URLPattern, URLResolver, get_resolver

from accounts.models import ApiKey, AuditEntry, Project
from accounts.viewsets import SAFE, ApiView
from tests.api.conftest import EMAIL
from tests.commands.running import run
from tests.conftest import ApiClient

TOMORROW, LATER = ((datetime.now(UTC) + timedelta(days=days)).strftime("%Y-%m-%dT12:00:00Z") for days in (1, 2))


def list_changes(patterns: Any = None) -> Iterator[tuple[type[ApiView], str]]:
    """The view and the name of each action that changes something, of /api/v1 and of other services' APIs."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        if isinstance(pattern, URLResolver):
            yield from list_changes(pattern.url_patterns)
            continue
        assert isinstance(pattern, URLPattern)
        view = getattr(pattern.callback, "cls", None)
        if view is not None and issubclass(view, ApiView):
            actions = getattr(pattern.callback, "actions", None) or {"post": "post"}
            yield from ((view, name) for method, name in actions.items() if method.upper() not in SAFE)


# A group is cancelled in several transactions; the first of them has the entry.
IN_PARTS = {"GroupViewSet.stop", "GroupViewSet.change"}


def test_every_change_is_recorded_in_its_transaction() -> None:
    changes = {(view, name) for view, name in list_changes() if hasattr(view, name) and name not in view.unaudited}
    apart = {
        f"{view.__name__}.{name}"
        for view, name in changes
        if not any(getattr(getattr(view, name), mark, False) for mark in ("is_idempotent", "is_recorded"))
    }
    assert len(changes) > 60
    assert apart <= IN_PARTS


@pytest.fixture
def no_audit(db: None) -> Callable[[], None]:
    """Makes the audit log take no entry, as if the process died before it was written."""

    def refuse() -> None:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE accounts_auditentry ADD CONSTRAINT no_entry CHECK (false) NOT VALID")

    return refuse


CHANGES: list[tuple[str, Any, str, Any]] = [
    ("/webhooks", {"url": "https://93.184.215.14/", "events": ["*"]}, "PATCH", {"description": "new"}),
    ("/webhooks", {"url": "https://93.184.215.14/", "events": ["*"]}, "DELETE", None),
    ("/templates", {"alias": "a", "subject": "Hi", "text": "Hi"}, "PATCH", {"subject": "New"}),
    ("/templates", {"alias": "a", "subject": "Hi", "text": "Hi"}, "DELETE", None),
    ("/providers", {"name": "p", "kind": "simulator"}, "PATCH", {"name": "new"}),
    ("/providers", {"name": "p", "kind": "simulator"}, "DELETE", None),
    ("/domains", {"name": "new.test"}, "DELETE", None),
    ("/streams", {"name": "new"}, "DELETE", None),
    ("/emails", {**EMAIL, "scheduled_at": TOMORROW}, "PATCH", {"scheduled_at": LATER}),
    ("/admin/projects", {"name": "acme"}, "PUT", {"name": "other"}),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("path", "made", "method", "change"), CHANGES)
def test_a_change_whose_entry_is_not_stored_is_not_made(
    api: ApiClient,
    admin_api: ApiClient,
    no_audit: Callable[[], None],
    settings: Any,
    path: str,
    made: Any,
    method: str,
    change: Any,
) -> None:
    settings.TRUSTED_SENDER_DOMAINS = ["mine.test"]
    client = admin_api if path.startswith("/admin") else api
    one = f"{path}/{client.post(path, made).json()['id']}"
    before = client.get(one).json()
    no_audit()
    body = () if change is None else (change,)
    assert client.request(method, f"/api/v1{one}", *body).status_code >= 500
    assert client.get(one).json() == before


@pytest.mark.django_db
def test_a_command_whose_entry_is_not_stored_changes_nothing(
    project: Project, no_audit: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("django.core.management.base.connections.close_all", lambda: None)
    no_audit()
    for name, *arguments in (
        ("create_project", "acme"),
        ("create_stream", "news", "--project", project.name),
        ("create_api_key", "--project", project.name, "--scopes", "stats:read"),
        ("set_project", "--project", project.name, "--turn-weight", "7"),
    ):
        status, _, error = run(name, *arguments, package="accounts")
        assert (status, IntegrityError.__name__ in error) == (1, True)
    assert not Project.objects.filter(name="acme").exists()
    assert not project.streams.filter(name="news").exists()
    assert not ApiKey.objects.filter(project=project).exists()
    assert Project.objects.get(pk=project.pk).turn_weight == project.turn_weight


@pytest.mark.django_db
def test_work_in_parts_has_its_entry_before_the_first_part(
    project: Project, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("django.core.management.base.connections.close_all", lambda: None)
    file = tmp_path / "list.csv"
    file.write_text("address,reason\na@x.test,manual\nwrong,manual\n")
    status, _, _ = run("import_suppressions", str(file), "--project", project.name, package="tracking")
    assert status == 0
    entry = AuditEntry.objects.get(action="import_suppressions")
    assert entry.data == {"added": 1, "known": 0, "refused": 1}
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE accounts_auditentry ADD CONSTRAINT no_entry CHECK (false) NOT VALID")
    file.write_text("address\nb@x.test\n")
    status, _, _ = run("import_suppressions", str(file), "--project", project.name, package="tracking")
    assert status == 1
    assert not project.suppressions.filter(address="b@x.test").exists()
