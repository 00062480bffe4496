"""The first accounts of a fresh installation."""

import json
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection, transaction
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from accounts import scopes
from accounts.models import ApiKey, Project
from accounts.services import create_project, find_key, revoke_api_key
from emailsvc.embedded.errors import EmbeddedError
from emailsvc.launcher.first_accounts import provision
from emailsvc.launcher.secrets_file import ADMIN_USER, Secrets, generate_secrets, keep_secrets, read_secrets
from messages.lifetimes.ending import delete_rest
from messages.models import Message

pytestmark = pytest.mark.django_db


@pytest.fixture
def kept() -> Secrets:
    return provision(generate_secrets())


def test_a_fresh_installation_gets_an_administrator_a_project_and_a_live_key(kept: Secrets) -> None:
    admin = get_user_model().objects.get(username=ADMIN_USER, is_staff=True, is_superuser=True)
    assert admin.check_password(kept.admin_password)
    key = find_key(kept.api_key)
    assert key
    assert (key.is_test, set(key.scopes), key.project) == (False, scopes.ALL, Project.objects.get())


def test_the_first_project_sends_without_naming_a_sender(kept: Secrets, settings: Any) -> None:
    settings.PROVIDER_URL = "inbox://127.0.0.1:2525"
    call_command("sync_providers", verbosity=0)
    said = StringIO()
    call_command("send_email", to=["you@example.test"], subject="Hello", text="It works.", json=True, stdout=said)
    message = Message.objects.get(pk=json.loads(said.getvalue())["id"])
    assert (message.project, message.from_address) == (Project.objects.get(), "demo@example.test")


def test_the_sender_of_a_project_that_is_there_stays(kept: Secrets) -> None:
    Project.objects.update(default_from="")
    provision(kept)
    assert Project.objects.get().default_from == ""


def test_provisioning_again_changes_nothing(kept: Secrets) -> None:
    assert provision(kept) == kept
    assert (Project.objects.count(), ApiKey.objects.count(), get_user_model().objects.count()) == (1, 1, 1)


def test_a_password_that_a_person_changed_stays_and_is_forgotten_by_us(kept: Secrets) -> None:
    admin = get_user_model().objects.get(username=ADMIN_USER)
    admin.set_password("chosen by a person")
    admin.save(update_fields=["password"])
    assert provision(kept).admin_password is None
    admin.refresh_from_db()
    assert admin.check_password("chosen by a person")


@pytest.mark.parametrize("end", ["revoked", "expired"])
def test_a_key_that_has_ended_is_replaced(kept: Secrets, end: str) -> None:
    key = find_key(kept.api_key)
    assert key
    if end == "revoked":
        revoke_api_key(key)
    else:
        ApiKey.objects.filter(pk=key.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    fresh = provision(kept).api_key
    assert fresh != kept.api_key
    assert find_key(fresh)


def test_a_kept_key_comes_back_in_a_new_database(kept: Secrets) -> None:
    for pk in Project.objects.values_list("pk", flat=True):
        with transaction.atomic():
            delete_rest(pk, "")
    assert provision(kept).api_key == kept.api_key
    assert find_key(kept.api_key)


def test_the_key_gets_the_scopes_of_a_newer_version(kept: Secrets) -> None:
    ApiKey.objects.update(scopes=["emails:send"])
    provision(kept)
    assert set(ApiKey.objects.get().scopes) == scopes.ALL


def test_a_project_that_is_there_is_used() -> None:
    project = create_project(name="Mine")
    provision(generate_secrets())
    assert ApiKey.objects.get().project == project


def test_prepare_can_be_repeated_and_keeps_the_secrets_private(tmp_path: Path) -> None:
    generated = keep_secrets(tmp_path, {})
    for _ in range(2):
        said = StringIO()
        call_command("prepare", secrets=tmp_path, json=True, stdout=said)
        assert json.loads(said.getvalue()) == {"migrations_applied": 0}
    kept = read_secrets(tmp_path / "secrets.json")
    assert kept == replace(generated, api_key=kept.api_key)
    assert find_key(kept.api_key)
    assert (tmp_path / "secrets.json").stat().st_mode & 0o777 == 0o600


def test_prepare_refuses_a_database_of_another_version_and_leaves_it_alone(tmp_path: Path) -> None:
    MigrationRecorder(connection).record_applied("mail", "0006_support_sees_statistics")
    with pytest.raises(
        CommandError, match=r"another version of emailsvc \(mail\.0006_support_sees_statistics\).*--data"
    ):
        call_command("prepare", secrets=tmp_path)
    assert not list(tmp_path.iterdir())
    assert not Group.objects.exists()


def test_prepare_leaves_migrations_of_other_packages_to_them() -> None:
    MigrationRecorder(connection).record_applied("django_celery_beat", "0000_gone_with_a_new_release")
    call_command("prepare", stdout=StringIO())


def test_secrets_of_the_environment_count_before_those_kept(tmp_path: Path) -> None:
    kept = keep_secrets(tmp_path, {})
    assert keep_secrets(tmp_path, {}) == kept
    assert keep_secrets(tmp_path, {"SECRET_KEY": "given"}) == replace(kept, SECRET_KEY="given")
    assert keep_secrets(tmp_path, {"SECRET_KEY": ""}) == kept


def test_damaged_secrets_are_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "secrets.json").write_text('{"SECRET_KEY": ')
    with pytest.raises(EmbeddedError, match=r"secrets\.json cannot be read"):
        keep_secrets(tmp_path, {})
    assert (tmp_path / "secrets.json").read_text() == '{"SECRET_KEY": '
