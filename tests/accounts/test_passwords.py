"""Passwords use Django's default hashing in production; other tests use fewer rounds."""

import pytest
from django.conf import Settings
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import PBKDF2PasswordHasher, check_password, make_password

from emailsvc.launcher.first_accounts import provision
from emailsvc.launcher.secrets_file import generate_secrets

LEAST_ROUNDS = 1_000_000


@pytest.fixture
def _product(settings) -> None:
    settings.PASSWORD_HASHERS = Settings("emailsvc.settings").PASSWORD_HASHERS


@pytest.mark.django_db
@pytest.mark.usefixtures("_product")
def test_the_first_administrators_password_is_hashed_with_a_million_rounds() -> None:
    provision(generate_secrets())
    algorithm, rounds, salt, _ = get_user_model().objects.get().password.split("$")
    assert (algorithm, int(rounds) >= LEAST_ROUNDS) == (PBKDF2PasswordHasher.algorithm, True)
    assert len(salt) >= 22


def test_other_tests_make_do_with_one_round_of_the_same() -> None:
    encoded = make_password("correct horse")
    assert encoded.startswith("pbkdf2_sha256$1$")
    assert check_password("correct horse", encoded)
    assert not check_password("battery staple", encoded)
