"""A value that is taken is refused, and no statement fails for it: PostgreSQL writes failed ones into its log."""

import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from django.db import IntegrityError, connection, transaction

from accounts.models import Project, Stream, StreamType
from accounts.people.services import UserExistsError, create_user
from accounts.project_settings import change_project
from accounts.services import ProjectExistsError, create_project
from accounts.streams import StreamExistsError, create_stream
from common.errors import ConflictError
from domains.services import DomainExistsError, build_domain, store_domain
from messages.pause_models import PauseKind
from messages.pausing.services import PauseExistsError, start_pause
from messages.pausing.values import read_value
from providers.services import ProviderExistsError, add_provider, store_change
from providers.targets import ProviderTarget
from templates_app.services import AliasTakenError, create_template, save_template

NAME = "taken-by-others"


def make_template(project: Project, alias: str = NAME):
    return create_template(project, {"alias": alias, "name": "Order", "subject": "Hi", "text": "Hello"})


def make_provider(project: Project, name: str = NAME):
    target = ProviderTarget(url="smtp://127.0.0.1:2525")
    return add_provider(project, name=name, target=target, is_operated=True)


def rename(row, name: str, value: str):
    setattr(row, name, value)
    return row


def rename_project(project: Project):
    other = create_project(name="Another")
    values = {"contact_email": "", "default_from": "", "allowed_headers": [], "link_schemes": []}
    guard = {"guard_bounce_percent": None, "guard_complaint_percent": None}
    return change_project(other, {"name": NAME, **values, **guard})


def start_one(project: Project):
    return start_pause("sue", project, PauseKind.TAG, value=read_value(project, PauseKind.TAG, NAME))


# What takes the name first, what asks for it again, and the refusal.
Make = Callable[[Project], object]
CASES: Mapping[str, tuple[Make, Make, type[ConflictError]]] = {
    "template": (make_template, make_template, AliasTakenError),
    "template, changed": (
        make_template,
        lambda project: save_template(rename(make_template(project, "free"), "alias", NAME)),
        AliasTakenError,
    ),
    "provider": (make_provider, make_provider, ProviderExistsError),
    "provider, changed": (
        make_provider,
        lambda project: store_change(rename(make_provider(project, "free"), "name", NAME)),
        ProviderExistsError,
    ),
    "pause": (start_one, start_one, PauseExistsError),
    "stream": (
        lambda project: create_stream(project, name=NAME, type_=StreamType.BROADCAST),
        lambda project: create_stream(project, name=NAME, type_=StreamType.TRANSACTIONAL),
        StreamExistsError,
    ),
    "project": (lambda _: create_project(name=NAME), lambda _: create_project(name=NAME), ProjectExistsError),
    "project, changed": (lambda _: create_project(name=NAME), rename_project, ProjectExistsError),
    "user": (lambda _: create_user(name=NAME), lambda _: create_user(name=NAME), UserExistsError),
}


@pytest.fixture
def read_errors() -> Callable[[], list[str]]:
    """The lines of PostgreSQL's log about failed statements of this connection. Other tests' are left out."""
    if "TEST_POSTGRES_LOG" not in os.environ:
        pytest.skip("The log of a server that runs elsewhere cannot be read")
    log = Path(os.environ["TEST_POSTGRES_LOG"])
    begin = log.stat().st_size
    connection.ensure_connection()
    mark = f"[{connection.connection.info.backend_pid}] ERROR"

    def read() -> list[str]:
        return [line for line in log.read_bytes()[begin:].decode().splitlines() if mark in line]

    return read


@pytest.mark.django_db
def test_a_taken_value_is_refused_without_a_failed_statement(project, read_errors):
    for name, (make, again, refusal) in CASES.items():
        with transaction.atomic():
            make(project)
            with pytest.raises(refusal):
                again(project)
            transaction.set_rollback(True)
        assert read_errors() == [], name
    # Of two builders the second finds the domain when it stores its own.
    first, second = (build_domain(project, name=f"{NAME}.example") for _ in range(2))
    store_domain(first)
    with pytest.raises(DomainExistsError):
        store_domain(second)
    assert read_errors() == []
    with pytest.raises(IntegrityError), transaction.atomic():
        Stream.objects.create(project=project, name="default", type=StreamType.TRANSACTIONAL)
    assert len(read_errors()) == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_one_waits_and_is_refused(project):
    results = []

    def create() -> None:
        try:
            results.append(create_stream(project, name=NAME, type_=StreamType.BROADCAST).name)
        except StreamExistsError:
            results.append("refused")
        finally:
            connection.close()

    thread = threading.Thread(target=create)
    with transaction.atomic():
        create_stream(project, name=NAME, type_=StreamType.BROADCAST)
        thread.start()
        thread.join(0.2)
        assert results == []
    thread.join()
    assert (results, project.streams.filter(name=NAME).count()) == (["refused"], 1)
