"""Encrypted model fields."""

import traceback

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import FieldError, ImproperlyConfigured
from django.db import connection, models
from django.db.migrations.writer import MigrationWriter
from django.forms import modelform_factory
from django.test.utils import isolate_apps

from common.fields import EncryptedTextField, SecretText

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


@pytest.fixture
def vault(db):
    """A model with an encrypted column, and its table, for one test."""
    with isolate_apps("accounts"):

        class Vault(models.Model):
            secret = EncryptedTextField(null=True)

            class Meta:
                app_label = "accounts"

    with connection.schema_editor() as editor:
        editor.create_model(Vault)
    return Vault


def read_column(vault):
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT secret FROM {vault._meta.db_table}")
        return [row[0] for row in cursor.fetchall()]


@pytest.mark.parametrize("text", ["", "hunter2", "ä🚀\n" * 1_000, "null"])
def test_the_database_sees_only_ciphertext(vault, text):
    row = vault.objects.create(secret=text)
    stored = read_column(vault)[0]
    assert stored.startswith("gAAAA")
    assert not text or text not in stored
    assert vault.objects.get(pk=row.pk).secret == text


def test_the_same_text_is_stored_differently_each_time(vault):
    vault.objects.bulk_create([vault(secret="same"), vault(secret="same")])
    assert len(set(read_column(vault))) == 2


def test_null_stays_null_and_can_be_looked_for(vault):
    vault.objects.create(secret=None)
    vault.objects.create(secret="x")
    assert vault.objects.filter(secret=None).count() == vault.objects.filter(secret__isnull=True).count() == 1


@pytest.mark.parametrize("lookup", ["secret", "secret__contains", "secret__in"])
def test_filtering_by_the_text_is_refused(vault, lookup):
    with pytest.raises(FieldError):
        list(vault.objects.filter(**{lookup: "x"}))


def test_a_new_key_decrypts_old_secrets_and_encrypts_new_ones(vault, settings):
    settings.ENCRYPTION_KEYS = [OLD]
    row = vault.objects.create(secret="x")
    settings.ENCRYPTION_KEYS = [NEW, OLD]
    row.refresh_from_db()
    assert row.secret == "x"
    row.save(update_fields=["secret"])
    settings.ENCRYPTION_KEYS = [NEW]
    row.refresh_from_db()
    assert row.secret == "x"


def test_a_missing_key_is_a_fault_of_the_configuration_that_names_no_secret(vault, settings):
    settings.ENCRYPTION_KEYS = [OLD]
    vault.objects.create(secret="hunter2")
    settings.ENCRYPTION_KEYS = [NEW]
    with pytest.raises(ImproperlyConfigured) as caught:
        vault.objects.get()
    assert "ENCRYPTION_KEYS" in str(caught.value)
    assert "gAAAA" not in "".join(traceback.format_exception(caught.value))


def test_a_secret_shows_itself_only_when_asked(vault):
    vault.objects.create(secret="hunter2")
    row = vault.objects.get()
    assert isinstance(row.secret, SecretText)
    assert "hunter2" not in repr(row.secret) + repr(vars(row)) + repr([row.secret]) + f"{row.secret!r}"
    assert f"{row.secret}" == str(row.secret) == "hunter2"
    assert row._meta.get_field("secret").value_to_string(row).startswith("gAAAA")


def test_forms_leave_it_out(vault):
    assert list(modelform_factory(vault, fields="__all__").base_fields) == []


def test_migrations_name_the_field_plainly():
    source, imports = MigrationWriter.serialize(EncryptedTextField(blank=True))
    assert source == "common.fields.EncryptedTextField(blank=True)"
    assert imports == {"import common.fields"}
