import json
from io import StringIO

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import connection

from accounts.services import create_project
from common.fields import EncryptedTextField
from domains.models import DkimKey, Domain
from emailsvc.key_rotation import BATCH, list_secret_columns

pytestmark = pytest.mark.django_db

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


@pytest.fixture
def domain() -> Domain:
    return Domain.objects.create(
        project=create_project(name="acme"), name="good.test", next_check_at="2030-01-01T00:00Z"
    )


def insert_keys(domain: Domain, count: int) -> None:
    now = "2030-01-01T00:00Z"
    DkimKey.objects.bulk_create(
        DkimKey(
            domain=domain,
            selector=f"s{number}",
            algorithm="rsa-sha256",
            private_key=f"secret {number}",
            public_record="v=DKIM1; p=AA",
            activated_at=now,
            retired_at=now,
        )
        for number in range(count)
    )


def rotate() -> dict[tuple[str, str], dict[str, object]]:
    out = StringIO()
    call_command("rotate_encryption_keys", "--json", stdout=out)
    rows = [json.loads(line) for line in out.getvalue().splitlines()]
    return {(row["model"], row["field"]): row for row in rows}


def tokens() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT private_key FROM domains_dkimkey ORDER BY id")
        return [token for (token,) in cursor.fetchall()]


def test_every_secret_is_put_under_the_newest_key_so_that_the_old_one_can_go(domain, settings):
    settings.ENCRYPTION_KEYS = [OLD]
    insert_keys(domain, BATCH + 5)
    settings.ENCRYPTION_KEYS = [NEW, OLD]
    assert rotate()["domains.DkimKey", "private_key"]["rotated"] == BATCH + 5
    settings.ENCRYPTION_KEYS = [NEW]
    found = [str(key.private_key) for key in DkimKey.objects.order_by("id")]
    assert found == [f"secret {number}" for number in range(BATCH + 5)]


def test_running_again_changes_nothing(domain, settings):
    settings.ENCRYPTION_KEYS = [OLD]
    insert_keys(domain, 3)
    settings.ENCRYPTION_KEYS = [NEW, OLD]
    rotate()
    before = tokens()
    row = rotate()["domains.DkimKey", "private_key"]
    assert (row["rotated"], row["current"]) == (0, 3)
    assert tokens() == before


def test_a_secret_that_no_key_opens_is_named_and_left_and_the_others_go_on(domain, settings):
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    insert_keys(domain, 1)
    lost = DkimKey.objects.get()
    before = tokens()
    settings.ENCRYPTION_KEYS = [OLD]
    domain.dkim_keys.create(
        selector="good", algorithm="ed25519-sha256", private_key="secret", public_record="v=DKIM1; p=AA"
    )
    settings.ENCRYPTION_KEYS = [NEW, OLD]
    out = StringIO()
    with pytest.raises(CommandError, match=r"domains\.DkimKey\.private_key"):
        call_command("rotate_encryption_keys", "--json", stdout=out)
    assert f'"unreadable": ["{lost.pk}"]' in out.getvalue()
    assert tokens()[0] == before[0]
    settings.ENCRYPTION_KEYS = [NEW]
    assert DkimKey.objects.get(selector="good").private_key == "secret"
    with pytest.raises(ImproperlyConfigured):
        _ = DkimKey.objects.get(pk=lost.pk).private_key


def test_every_encrypted_column_is_found():
    columns = {(model._meta.label, name) for model, name in list_secret_columns()}
    assert ("domains.DkimKey", "private_key") in columns
    for model, name in list_secret_columns():
        assert isinstance(model._meta.get_field(name), EncryptedTextField)
